"""Signature requests: sent once, followed to their end, cancelled where somebody wants that."""

from . import poll, poll_or_cancel, send

__all__ = ["poll", "poll_or_cancel", "send"]
