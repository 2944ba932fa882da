"""Everything a sandbox holds, behind one lock.

Resources read and write it inside `State.lock`; `Sandbox` is the face of it for Python.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from .faults import Faults
from .keys import Keys
from .projects import DEFAULT_ACCOUNT, Project, restore
from .sessions import EmbedSessions
from .signing import SigningFlow
from .webhooks.deliveries import Outbox
from .webhooks.payloads import render_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .emails import Mail
    from .lifecycle import RenderTime
    from .provisioning import Organization
    from .renders import Render
    from .shares import Share
    from .signatures import SignatureMail, SignatureRequest
    from .templates import Template

REQUESTS_KEPT = 10_000


class LoggedRequest(NamedTuple):
    """One call that came in; status None: no answer left. Without headers, keys and tokens."""

    method: str
    path: str
    status: int | None


class State:
    """Projects, keys, faults, the outbox and the log of requests."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        public_url: str,
        render_time: RenderTime,
        retry_delays: Sequence[float],
        lenient: bool,
        public_bucket: bool,
        remote_control: bool,
    ) -> None:
        # Reentrant, because conveniences such as `put_template` call resources under it.
        self.lock = threading.RLock()
        self.wake = threading.Condition(self.lock)
        self.clock = clock
        self.public_url = public_url.rstrip("/")
        self.render_time = render_time
        self.lenient = lenient
        self.public_bucket = public_bucket
        self.remote_control = remote_control
        self.keys = Keys()
        self.projects: dict[str, Project] = {}  # by slug
        self.deleted_projects: list[Project] = []
        self.organizations: dict[str, Organization] = {}  # by their `externalOrgId`
        self.faults = Faults(self.lock)
        self.outbox = Outbox(clock, self.faults, self.wake, retry_delays)
        self.sessions = EmbedSessions(clock)
        self.signing = SigningFlow(clock, self.faults, self.outbox)
        self.requests: deque[LoggedRequest] = deque(maxlen=REQUESTS_KEPT)
        self.reset_hook: Callable[[], None] = self.clear
        # Renders whose end has not been announced by webhook yet.
        self._unannounced: dict[str, Render] = {}

    def add_key(self, key: str, project: str) -> None:
        """Let a key open a project, which is made if it isn't there.

        Of a deleted one of this slug it has nothing, and no key of that one opens it.
        """
        with self.lock:
            opened = self.projects.get(project) or Project(
                project,
                account=DEFAULT_ACCOUNT,
                configured=True,
                created_at=self.clock(),
            )
            self.keys.add(key, "project", opened.id)
            self.projects[project] = opened
            for deleted in self.deleted_projects:
                # What a reset brings back is the new one.
                deleted.configured &= deleted.slug != project

    def project(self, name: str) -> Project:
        """A project by its slug; ValueError if there is none."""
        if name not in self.projects:
            raise ValueError(f"no such project: {name!r}")
        return self.projects[name]

    def project_of(self, key: str) -> Project | None:
        """The project that a key opens; None for a wrong key, and if the project is gone."""
        owner = self.keys.owner(key, "project")
        return next((each for each in self.projects.values() if each.id == owner), None)

    def embeds(self, project: Project) -> bool:
        """Whether a project is there, embeds, and is not suspended."""
        is_there = project in self.projects.values()
        return is_there and project.embed_enabled and not project.embed_suspended

    def renders(self) -> Iterator[Render]:
        """The renders of all projects, in the order in which they came."""
        renders = [r for project in self.projects.values() for r in project.renders.values()]
        return iter(sorted(renders, key=lambda render: render.created_at))

    def share(self, token: str) -> Share | None:
        """The share link with this token, in whichever project."""
        shares = (share for project in self.projects.values() for share in project.shares())
        return next((share for share in shares if share.token == token), None)

    def mails(self) -> Iterator[Mail]:
        """The e-mails of all projects, in the order in which they were sent."""
        mails = [mail for project in self.projects.values() for mail in project.mails]
        return iter(sorted(mails, key=lambda mail: mail.sent_at))

    def mail(self, message_id: str) -> Mail | None:
        """The e-mail with this id, in whichever project."""
        return next((mail for mail in self.mails() if mail.id == message_id), None)

    def signatures(self) -> Iterator[SignatureRequest]:
        """The signature requests of all projects, in the order in which they came."""
        requests = [request for project in self.projects.values() for request in project.signatures]
        return iter(sorted(requests, key=lambda request: request.created_at))

    def signature(self, request_id: str) -> SignatureRequest | None:
        """The signature request with this id, in whichever project."""
        found = (project.signatures.get(request_id) for project in self.projects.values())
        return next(filter(None, found), None)

    def signature_mails(self) -> Iterator[SignatureMail]:
        """The e-mails of all projects that asked for a signature, in the order of sending."""
        mails = [mail for project in self.projects.values() for mail in project.signature_mails]
        return iter(sorted(mails, key=lambda mail: mail.sent_at))

    def hook_url(self, template: Template) -> str:
        """Where a template is rendered without a key."""
        return f"{self.public_url}/v1/hooks/{template.hook.token}"

    def download_url(self, render: Render) -> str | None:
        """The public address of a finished PDF; null before, and without a public bucket."""
        if not self.public_bucket or not render.succeeded:
            return None
        return f"{self.public_url}/files/renders/{render.project.id}/{render.id}.pdf"

    def follow(self, render: Render) -> None:
        """Announce the end of a new render when it comes."""
        self._unannounced[render.id] = render
        self.wake.notify_all()

    def settle(self) -> None:
        """Announce the renders and requests that have ended since somebody last looked."""
        ended = [render for render in self._unannounced.values() if render.progress.finished]
        for render in sorted(ended, key=lambda render: render.progress.completed_at or 0):
            del self._unannounced[render.id]
            self.outbox.announce(render.project, render_payload(render, self.download_url(render)))
        self.signing.settle()

    def next_event(self) -> float | None:
        """When something is to be sent next, as far as that is known now."""
        ends = [render.progress.ends_at for render in self._unannounced.values()]
        moments = [*ends, self.outbox.next_due(), self.signing.next_event()]
        return min((moment for moment in moments if moment is not None), default=None)

    def clear(self) -> None:
        """Forget all but the projects that were configured, their keys and subscriptions."""
        with self.lock:
            restore(self)
            self.organizations.clear()
            self._unannounced.clear()
            self.sessions.clear()
            self.signing.clear()
            self.outbox.clear()
            self.faults.clear()
            self.requests.clear()
