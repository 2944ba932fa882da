"""Documents: built, sent, followed to their end."""

from . import poll, send

__all__ = ["poll", "send"]
