"""Documents: built, sent, followed to their end."""

from . import poll, send, supersede

__all__ = ["poll", "send", "supersede"]
