"""Links to documents and e-mails with one: sent, updated, settled, adopted."""

from . import emails, links

__all__ = ["emails", "links"]
