"""Craftkit's builder and forms inside the pages of a project.

    from django_craftkit import embedding

    session = embedding.create_session("handover", user=request.user, source=booking)

A session is minted at Craftkit and noted here as an `EmbedSession`, which keeps what renews it: the
browser gets the address of an iframe, and nothing that outlives the page. The template tag
``craftkit_embed`` shows it and keeps it alive.
"""

from .errors import SessionLost, SessionUnavailable
from .links import aget_form_url, get_form_url
from .pages import embedding_view, opened
from .sessions import Session, acreate_session, create_session

__all__ = [
    "Session",
    "SessionLost",
    "SessionUnavailable",
    "acreate_session",
    "aget_form_url",
    "create_session",
    "embedding_view",
    "get_form_url",
    "opened",
]
