"""Documents: built, sent, followed to their end."""

from . import batch, poll

__all__ = ["batch", "poll"]
