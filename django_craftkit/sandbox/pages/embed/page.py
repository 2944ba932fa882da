"""What both embedded pages have in common: how they are opened, and what they may do.

The token is in the address when the page is opened; the page takes it out of the address bar at
once and keeps it in memory. What a page gets to know is in its `config`; a page that can't be
opened says why, with a status of its own.
"""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import abort

from django_craftkit.sandbox.http.answers import STATUSES
from django_craftkit.sandbox.pages.frame import notice, page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.errors import Refusal
    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.http.call import Call

_FILES: Final = resources.files(__name__.rpartition(".")[0])
_STYLE: Final = (_FILES / "embed.css").read_text("utf-8")
_SESSION: Final = (_FILES / "session.js").read_text("utf-8")


def script(name: str) -> str:
    """The script of a page, after the one that both have."""
    return _SESSION + (_FILES / name).read_text("utf-8")


def open_session(call: Call) -> EmbedSession:
    """The session of the address; without one that opens now the page is answered here."""
    session = call.state.sessions.at(call.request.args.get("session_token", ""))
    if session is None or not call.state.embeds(session.project):
        abort(
            notice(
                "This session has ended",
                "It is not known, its time is up, or its project embeds no more. Please open the "
                "page anew from where it is embedded.",
                401,
                framed_by=(),
            )
        )
    return session


def refuse(session: EmbedSession, title: str, refusal: Refusal) -> Response:
    """The page that says why there is no other."""
    body = f'<h1>{escape(title)}</h1><p class="faint">{escape(refusal.message)}</p>'
    return page(
        title,
        f'<div class="card">{body}</div>',
        status=STATUSES[refusal.code],
        script='history.replaceState(null, "", location.pathname);',
        framed_by=session.project.embed_origins,
    )


def embedded(
    call: Call,
    session: EmbedSession,
    title: str,
    body: str,
    *,
    script: str,
    config: Mapping[str, object],
) -> Response:
    """The page of a session."""
    token = call.request.args["session_token"]
    return page(
        title,
        body,
        script=script,
        style=_STYLE,
        framed_by=session.project.embed_origins,
        config={
            "sessionId": session.id,
            "secondsLeft": call.state.sessions.seconds_left(token),
            "origins": session.project.embed_origins,
            **config,
        },
    )
