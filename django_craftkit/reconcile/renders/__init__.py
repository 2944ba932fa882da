"""Documents: built, sent, followed to their end; taken in where they were made elsewhere."""

from . import adopt, poll, send, supersede

__all__ = ["adopt", "poll", "send", "supersede"]
