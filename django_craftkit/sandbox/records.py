"""What the sandbox remembers: projects, templates, renders, shares, mails, events.

The attributes are for tests to read; the JSON of each resource is written in its own file.
Moments are seconds since 1970 by the sandbox's clock.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import pdf
from .envelopes import Envelopes, SignatureMail
from .ids import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lifecycle import Progress
    from .manifest import Manifest
    from .webhooks import Subscription


@dataclass(frozen=True)
class Version:
    """One published version of a template: it never changes."""

    number: int
    name: str
    manifest: Manifest
    page_config: dict[str, Any]
    # Made by `lenient`: takes any data as it comes.
    lenient: bool = False


@dataclass(eq=False)
class Template:
    """A template: a slug, a name, and its versions, oldest first; none is unpublished."""

    slug: str
    name: str
    description: str | None
    created_at: float
    updated_at: float
    template_type: str = "document"
    id: str = field(default_factory=uuid4)
    versions: list[Version] = field(default_factory=list)
    deleted_at: float | None = None

    @property
    def current(self) -> Version | None:
        """The version that is rendered unless another one is asked for."""
        return self.versions[-1] if self.versions else None


@dataclass(eq=False)
class Event:
    """One engagement event (section 11)."""

    type: str
    actor: str
    share: Share | None
    source_ip: str
    user_agent: str
    metadata: dict[str, Any] | None
    created_at: float
    id: str = field(default_factory=uuid4)

    def __repr__(self) -> str:
        return f"<Event {self.type} by {self.actor}>"


@dataclass(eq=False)
class Share:
    """One share link (section 9)."""

    render: Render
    token: str = field(repr=False)
    url: str
    channel: str
    recipient_email: str | None
    message: str | None
    expires_at: float | None
    created_at: float
    id: str = field(default_factory=uuid4)
    revoked_at: float | None = None
    revoked_reason: str | None = None

    @property
    def revoked(self) -> bool:
        """Whether the link has been withdrawn."""
        return self.revoked_at is not None

    @property
    def click_count(self) -> int:
        """How often a recipient has viewed the document by this link."""
        return sum(
            event.type == "viewed" and event.actor == "recipient" and event.share is self
            for event in self.render.events
        )

    def __repr__(self) -> str:
        return f"<Share {self.id} of render {self.render.id}>"


@dataclass(eq=False)
class Mail:
    """One e-mail that was sent (section 10); `url` is the page on which it can be read."""

    id: str  # the `emailMessageId`
    url: str
    to: str
    recipient_name: str | None
    message: str | None
    share: Share
    sent_at: float

    @property
    def open_count(self) -> int:
        """How often its tracking pixel has been loaded."""
        return sum(
            event.type == "email_opened" and event.share is self.share
            for event in self.share.render.events
        )

    def __repr__(self) -> str:
        return f"<Mail {self.id} with share {self.share.id}>"


@dataclass(eq=False)
class Render:
    """One render: what was asked for, how far it has come, and its PDF."""

    id: str
    project: Project
    template_id: str
    template: str  # its slug
    version: Version
    data: dict[str, Any]
    filename: str | None
    idempotency_key: str | None
    progress: Progress
    shares: list[Share] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _pdf: bytes | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def status(self) -> str:
        """`queued`, `rendering`, `succeeded` or `failed`, now."""
        return self.progress.status

    @property
    def succeeded(self) -> bool:
        """Whether there is a PDF."""
        return self.status == "succeeded"

    @property
    def created_at(self) -> float:
        """When it was asked for."""
        return self.progress.started_at

    @property
    def error_message(self) -> str | None:
        """Why it failed."""
        return self.progress.error_message

    @property
    def title(self) -> str:
        """The name of its template, as it was when this was asked for."""
        return self.version.name

    @property
    def written(self) -> bytes | None:
        """The document, if it has been wanted before."""
        return self._pdf

    def pdf(self) -> bytes:
        """The document: written when it is first wanted, the same bytes ever after.

        Takes some 50 ms, and longer for long loops: not to be called under the sandbox's lock.
        """
        with self._writing:
            if self._pdf is None:
                self._pdf = pdf.write(self)
            return self._pdf

    def finish(self) -> None:
        """Let it succeed now, whatever the render time."""
        self.progress.finish()

    def fail(self, message: str) -> None:
        """Let it fail now, whatever the render time."""
        self.progress.finish(message)

    def __repr__(self) -> str:
        return f"<Render {self.id} of {self.template!r}: {self.status}>"


@dataclass(eq=False)
class Project:
    """One Craftkit project: nothing in it is seen from another one."""

    name: str
    id: str = field(default_factory=uuid4)
    templates: dict[str, Template] = field(default_factory=dict)
    deleted_templates: list[Template] = field(default_factory=list)
    renders: dict[str, Render] = field(default_factory=dict)
    by_key: dict[str, Render] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    signatures: Envelopes = field(default_factory=Envelopes)
    signature_mails: list[SignatureMail] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    # Without it no e-mail can be sent: 503 `email_not_configured`.
    email_configured: bool = True
    # Without it nothing can be sent out for signature: 503 `signatures_unavailable`.
    signatures_configured: bool = True

    def shares(self) -> Iterator[Share]:
        """All share links of the project, oldest render first."""
        for render in self.renders.values():
            yield from render.shares

    def clear(self) -> None:
        """As new, but for the subscriptions."""
        self.templates.clear()
        self.deleted_templates.clear()
        self.renders.clear()
        self.by_key.clear()
        self.mails.clear()
        self.signatures.clear()
        self.signature_mails.clear()
        self.email_configured = True
        self.signatures_configured = True

    def __repr__(self) -> str:
        return f"<Project {self.name!r}>"
