"""Who may come in by which door: keys, session tokens, and what the rest is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.core.errors import Refusal

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from django_craftkit.sandbox.core.keys import Kind
    from django_craftkit.sandbox.core.projects import Project
    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.core.state import State

    from .routing import Door


@dataclass(frozen=True)
class _Lock:
    """What opens a door, and the codes for who has nothing and for who has something else."""

    key: Kind | None
    takes_token: bool
    missing: str
    wrong: str


_LOCKS: Final[dict[Door, _Lock]] = {
    "project": _Lock("project", False, "unauthorized", "unauthorized"),
    "embed": _Lock("project", False, "missing_authorization", "invalid_credentials"),
    "session": _Lock(None, True, "unauthorized", "unauthorized"),
    "poll": _Lock("project", True, "unauthorized", "unauthorized"),
    "builder": _Lock(
        "project", True, "missing_or_invalid_authorization", "missing_or_invalid_authorization"
    ),
    "account": _Lock("account", False, "unauthorized", "unauthorized"),
    "admin": _Lock("admin", False, "unauthorized", "unauthorized"),
}


def enter(
    state: State, request: Request, door: Door
) -> tuple[Project | None, EmbedSession | None, str | None]:
    """The project of a call, its session if it has a session token, its account if it has one.

    Raises:
        Refusal: the door stays shut; the code is that of the documentation's page.
    """
    lock = _LOCKS.get(door)
    if lock is None:
        return None, None, None
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Refusal(lock.missing, "Missing Bearer token.")
    session = state.sessions.at(secret) if lock.takes_token else None
    owner = state.keys.owner(secret, lock.key) if lock.key else None
    if session is None and owner is None:
        raise Refusal(
            lock.wrong, "Invalid or expired token." if lock.takes_token else "Invalid API key."
        )
    if door in ("account", "admin"):
        return None, None, owner
    project = session.project if session else state.project_of(secret)
    if project is None or project not in state.projects.values():
        raise Refusal("forbidden", "The project of this key no longer exists.")
    if session is not None or door in ("embed", "builder"):
        if not project.embed_enabled:
            raise Refusal(lock.wrong, "Embed mode is not enabled for this project.")
        if project.embed_suspended:
            raise Refusal("partner_suspended", "The embed partnership is suspended.")
    return project, session, None


def is_allowed_origin(project: Project, request: Request, public_url: str) -> bool:
    """Whether a call with a session token comes from where it may.

    A project that lists no origins takes all. One that does takes the sandbox's own pages too:
    what may frame these is told to the browser.
    """
    if not project.embed_origins:
        return True
    return request.headers.get("Origin") in {
        *project.embed_origins,
        public_url,
        request.host_url.rstrip("/"),
    }
