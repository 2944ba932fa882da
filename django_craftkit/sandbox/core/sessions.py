"""Embed sessions: who may do what with which template, and until when (section 4.1 to 4.3).

A session lives until it is revoked. Its tokens live for 4 hours each; a renewal gives a new one
and leaves those before it as they are. A token or a renew token is kept as a hash, or not at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from . import catalogs
from .checks.embed import PERMISSIONS
from .checks.shape import is_uuid
from .errors import Refusal
from .ids import renew_token, uuid4
from .tokens import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .checks.embed import NewSession
    from .projects import Project
    from .templates import Template

LIFETIME: Final = 4 * 3600.0
_AUDIENCE: Final = "embed.craftkit.dev"


@dataclass(frozen=True)
class Upload:
    """A picture that somebody put into a form."""

    content_type: str
    content: bytes = field(repr=False)


@dataclass(eq=False)
class EmbedSession:
    """One session: its request, and what has come of it."""

    project: Project
    new: NewSession = field(repr=False)
    created_at: float
    catalog: Mapping[str, Any] | None = field(default=None, repr=False)
    id: str = field(default_factory=uuid4)
    active: bool = True
    # What it works on; in the mode `create` none until it has been saved.
    template_id: str | None = None
    uploads: dict[str, Upload] = field(default_factory=dict, repr=False)
    # When each token ends, by its `jti`.
    tokens: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def mode(self) -> str:
        """`edit`, `create`, `view` or `fill`."""
        return self.new.scope.mode

    @property
    def expires_at(self) -> float:
        """When the last of its tokens ends."""
        return max(self.tokens.values())

    @property
    def uploaded_bytes(self) -> int:
        """The size of all pictures together."""
        return sum(len(upload.content) for upload in self.uploads.values())

    def may(self, permission: str) -> bool:
        """Whether it has a permission, by its name in the API."""
        return permission in self.new.permissions

    def refuse_without(self, permission: str) -> None:
        """Raise `Refusal`, `permission_denied`, unless it has a permission."""
        if not self.may(permission):
            raise Refusal("permission_denied", f"The session lacks the permission {permission}.")

    def template(self) -> Template:
        """The template in its scope.

        Raises:
            Refusal: `template_not_resolved`, if no id is known; `template_not_found`.
        """
        if self.template_id is None:
            raise Refusal("template_not_resolved", "The session's scope has no template id.")
        for template in self.project.templates.values():
            if template.id == self.template_id:
                return template
        raise Refusal("template_not_found", "No such template in this project.")


@dataclass(frozen=True)
class Grant:
    """What a session's minting or renewal hands out, once."""

    session: EmbedSession
    token: str = field(repr=False)
    renew_token: str = field(repr=False)
    expires_at: float

    def iframe_url(self, public_url: str) -> str:
        """The page of the session."""
        page = "form" if self.session.mode == "fill" else "builder"
        return f"{public_url}/embed/{page}?{urlencode({'session_token': self.token})}"


class EmbedSessions:
    """All sessions, oldest first; to be used under the sandbox's lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._signer = Signer()
        self._sessions: dict[str, EmbedSession] = {}
        self._renewals: dict[str, EmbedSession] = {}

    def __iter__(self) -> Iterator[EmbedSession]:
        return iter(self._sessions.values())

    def clear(self) -> None:
        """Forget every session: no token opens anything any more."""
        self._sessions.clear()
        self._renewals.clear()

    def find(self, session_id: str) -> EmbedSession | None:
        """The session of an id, in whichever project."""
        return self._sessions.get(session_id.lower())

    def mint(self, project: Project, new: NewSession) -> Grant:
        """A new session; raises `Refusal`, `catalog_not_found`."""
        catalog = new.catalog
        if new.catalog_name is not None:
            catalog = catalogs.find(project, new.catalog_name, new.catalog_version).content
        session = EmbedSession(project, new, self._clock(), catalog)
        session.template_id = _template_id(project, new)
        self._sessions[session.id] = session
        return self._grant(session)

    def refresh(self, project: Project, token: str) -> Grant:
        """The next token of a session for a renew token, which is used up by that.

        Raises:
            Refusal: `refresh_failed`, for whatever reason: mint a new session.
        """
        session = self._renewals.get(_hash(token))
        if session is None or session.project is not project or not session.active:
            raise Refusal("refresh_failed", "The renew token can't be used.")
        del self._renewals[_hash(token)]
        return self._grant(session)

    def at(self, token: str) -> EmbedSession | None:
        """The session that a token opens now; None for one that is wrong or has expired."""
        session, expires_at = self._read(token)
        return session if self._clock() < expires_at else None

    def seconds_left(self, token: str) -> float:
        """How much longer a token opens its session."""
        return self._read(token)[1] - self._clock()

    def expire(self, session: EmbedSession, seconds: float = 0.0) -> None:
        """Let all tokens of a session end in some seconds at the latest; it can be renewed."""
        end = self._clock() + seconds
        for jti, expires_at in session.tokens.items():
            session.tokens[jti] = min(end, expires_at)

    def _read(self, token: str) -> tuple[EmbedSession | None, float]:
        """The session of a token, and when the token ends; long ago if it opens nothing."""
        claims = self._signer.read(token)
        session = None if claims is None else self._sessions.get(claims["sub"])
        if claims is None or session is None or not session.active:
            return None, 0.0
        return session, session.tokens[claims["jti"]]

    def _grant(self, session: EmbedSession) -> Grant:
        issued_at = int(self._clock())
        expires_at = issued_at + LIFETIME
        claims = {
            "iss": f"ck_pk_test_{session.project.id}",
            "aud": _AUDIENCE,
            "sub": session.id,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": int(expires_at),
            "jti": uuid4(),
            "ck": _own_claims(session),
        }
        session.tokens[str(claims["jti"])] = expires_at
        renewal = renew_token()
        self._renewals[_hash(renewal)] = session
        return Grant(session, self._signer.sign(claims), renewal, expires_at)


def _template_id(project: Project, new: NewSession) -> str | None:
    """What the scope means: an id, or for the builder a slug as well.

    The form takes ids alone, as the documentation of form-submit has it.
    """
    scope = new.scope
    external = scope.template_external_id
    if scope.mode == "create":
        return None
    if scope.template_id is not None or external is None:
        return scope.template_id
    if is_uuid(external):
        return external.lower()
    template = project.templates.get(external)
    return template.id if template is not None and scope.mode != "fill" else None


def _own_claims(session: EmbedSession) -> dict[str, object]:
    tenant, actor = session.new.tenant, session.new.actor
    about_actor = {
        "external_id": actor.external_id,
        "display_name": actor.display_name,
        "email": actor.email,
        "avatar_url": actor.avatar_url,
    }
    return {
        "v": 1,
        "partner": {"id": session.project.id, "project_id": session.project.id},
        "tenant": {"external_id": tenant.external_id, "display_name": tenant.display_name},
        "actor": {name: value for name, value in about_actor.items() if value is not None},
        "scope": {
            "mode": session.mode,
            "template_id": session.template_id,
            "template_external_id": session.new.scope.template_external_id,
        },
        "permissions": {claim: session.may(name) for name, claim in PERMISSIONS.items()},
    }


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
