"""Signature requests: sent once, followed to their end, cancelled where somebody wants that."""

from . import cancel, poll, send

__all__ = ["cancel", "poll", "send"]
