"""The sandbox itself: a Craftkit in one Python object, which is a WSGI application too."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .adapter import SandboxAdapter
from .core import projects, templates
from .core.checks.shape import Shape
from .core.checks.templates import check_content, check_slug
from .core.projects import DEFAULT_ACCOUNT
from .core.state import State
from .core.webhooks.deliveries import RETRY_DELAYS, Subscription, known_events
from .core.webhooks.sender import attempt
from .embed_controls import EmbedControls
from .service import Answer, Service
from .signature_controls import SignatureControls

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from requests import Session

    from .core.emails import Mail
    from .core.faults import Faults
    from .core.lifecycle import RenderTime
    from .core.projects import Project
    from .core.renders import Render
    from .core.shares import Share
    from .core.state import LoggedRequest
    from .core.templates import Template
    from .core.webhooks.deliveries import Delivery
    from .core.webhooks.sender import Send

#: The API key of the default project, unless others are given.
DEFAULT_KEY = "ck_test_sandbox"
DEFAULT_PROJECT = "default"
#: The key of the account that has the projects of `api_keys`, unless others are given.
DEFAULT_ACCOUNT_KEY = "ck_acct_sandbox"
#: The key that provisions organizations, unless another is given.
DEFAULT_ADMIN_KEY = "sandbox-admin-key"
DEFAULT_URL = "http://127.0.0.1:9100"
_NOTHING: Mapping[str, object] = {"variables": [], "loops": []}


class Sandbox(EmbedControls, SignatureControls):
    """A local Craftkit.

    Args:
        api_keys: the keys of the project `default`, or a mapping of keys to project names.
        account_keys: the keys of the account `default`, which has the projects of `api_keys`, or
            a mapping of keys to accounts; another one has the projects that it makes.
        admin_key: what `/v1/admin/provision` takes; None: no key.
        public_url: what `pollUrl`, `downloadUrl` and `shareUrl` start with. A `SandboxServer`
            puts its own address here, unless it is given.
        clock: seconds since 1970; everything that has a moment asks it.
        render_time: how long a render takes: seconds (0: the first GET shows the end),
            `Polls(n)`, or None: until `render.finish()` or `render.fail()`.
        retry_delays: seconds before the second and each further attempt of a webhook.
        lenient: a slug that isn't known becomes a template that takes any data.
        public_bucket: without one `downloadUrl` is always null.
        signature_credits: how many signature requests can be sent; None: without end. `reset()`
            comes back to it.
        archive_delay: seconds from the completion of one to its signed PDF and certificate.
        strict_anchors: refuse signature requests with an anchor tag whose text isn't in the
            document, unless it may be missing. Craftkit takes them. `reset()` comes back to it.
        remote_control: let `/_sandbox/` be used from other machines too.
        templates: bodies of PUT with their `slug`, and `layoutTexts` if they have any; `reset()`
            comes back to them.

    Raises:
        ValueError: a template that Craftkit would not take; the message says which and why. One
            key for two of the three kinds.
    """

    def __init__(
        self,
        *,
        api_keys: Iterable[str] | Mapping[str, str] = (DEFAULT_KEY,),
        account_keys: Iterable[str] | Mapping[str, str] = (DEFAULT_ACCOUNT_KEY,),
        admin_key: str | None = DEFAULT_ADMIN_KEY,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
        render_time: RenderTime = 0.0,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        lenient: bool = False,
        public_bucket: bool = True,
        signature_credits: int | None = None,
        archive_delay: float = 0.0,
        strict_anchors: bool = False,
        remote_control: bool = False,
        templates: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.state = State(
            clock=clock,
            public_url=public_url or DEFAULT_URL,
            render_time=render_time,
            retry_delays=retry_delays,
            lenient=lenient,
            public_bucket=public_bucket,
            remote_control=remote_control,
        )
        self.service = Service(self.state)
        self.archive_delay = archive_delay
        self.signature_credits = self._credits = signature_credits
        self.strict_anchors = self._strict_anchors = strict_anchors
        self.has_own_url = public_url is not None
        # Set by a server that stops: nobody waits out a delay any longer.
        self.closing = threading.Event()
        self._seeds = [dict(template) for template in templates]
        for key, project in _owners(api_keys, DEFAULT_PROJECT).items():
            self.add_key(key, project)
        for key, account in _owners(account_keys, DEFAULT_ACCOUNT).items():
            self.state.keys.add(key, "account", account)
        if admin_key is not None:
            self.state.keys.add(admin_key, "admin", "")
        self.state.reset_hook = self.reset
        self._seed()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.public_url}>"

    # What came in, for tests to look at.

    @property
    def renders(self) -> list[Render]:
        """All renders, in the order in which they came."""
        with self.state.lock:
            return list(self.state.renders())

    @property
    def shares(self) -> list[Share]:
        """All share links, withdrawn ones too."""
        with self.state.lock:
            return [share for render in self.state.renders() for share in render.shares]

    @property
    def mails(self) -> list[Mail]:
        """All e-mails that were sent, in the order in which they were."""
        with self.state.lock:
            return list(self.state.mails())

    @property
    def deliveries(self) -> list[Delivery]:
        """All webhooks, sent or waiting, in the order of their events."""
        with self.state.lock:
            self.state.settle()
            return list(self.state.outbox)

    @property
    def requests(self) -> list[LoggedRequest]:
        """(method, path, status) of the last 10,000 calls; status None: the answer was lost."""
        with self.state.lock:
            return list(self.state.requests)

    @property
    def faults(self) -> Faults:
        """What to do wrong: `faults.add("status", status=503, times=2)`, `faults.clear()`."""
        return self.state.faults

    def project(self, name: str = DEFAULT_PROJECT) -> Project:
        """A project with all that is in it; ValueError if there is none.

        Its attributes `email_configured` and `signatures_configured` may be set: while they are
        False, no e-mail and no signature request can be sent. So may `embed_enabled`,
        `embed_suspended` and `embed_origins`, the list of origins that may embed: any if empty.

        Args:
            name: as `api_keys` or `add_key` named it; the slug of one that a call made.
        """
        return self.state.project(name)

    # What a person does at Craftkit's dashboard.

    @property
    def public_url(self) -> str:
        """What the URLs in answers start with."""
        return self.state.public_url

    @public_url.setter
    def public_url(self, url: str) -> None:
        self.state.public_url = url.rstrip("/")

    @property
    def render_time(self) -> RenderTime:
        """How long renders that come from now on will take."""
        return self.state.render_time

    @render_time.setter
    def render_time(self, render_time: RenderTime) -> None:
        self.state.render_time = render_time

    def add_key(self, key: str, project: str = DEFAULT_PROJECT) -> None:
        """Let a key open a project, which is made if need be, anew where it was deleted.

        Args:
            key: no key of an account, and not the admin key.
            project: its name; the slug of one that a call made.

        Raises:
            ValueError: the key is of another kind.
        """
        self.state.add_key(key, project)

    def revoke_key(self, key: str) -> None:
        """The key, of whatever kind, is refused with 401 from now on; KeyError if it was none."""
        with self.state.lock:
            self.state.keys.revoke(key)

    def remove_project(self, name: str) -> None:
        """The project `name` goes, its keys stay and get a 403; KeyError if it isn't there."""
        with self.state.lock:
            projects.delete(self.state, self.state.projects[name])

    def put_template(
        self,
        slug: str,
        *,
        manifest: Mapping[str, object] | None,
        name: str | None = None,
        description: str | None = None,
        page_config: Mapping[str, object] | None = None,
        layout_texts: Sequence[Mapping[str, object]] | None = None,
        template_type: str = "document",
        project: str = DEFAULT_PROJECT,
    ) -> Template:
        """Publish a template as Craftkit's builder would: keys of loops may hold dots.

        Args:
            slug: up to 120 small letters, digits and single hyphens.
            manifest: as PUT takes it; None: the template exists, and nothing of it is published.
            name: None: made of the slug.
            description, page_config: as PUT takes them; None: none.
            layout_texts: lines of text at places of the pages, each with `page` (from 1), `x`
                and `y` (percent of the page from its top left corner), `text` (up to 500
                characters; `{{customer.name}}` is a value of the data) and `size` (points);
                None: none.
            template_type: what the API shows as `templateType`.
            project: must be there.

        Raises:
            ValueError: Craftkit would not take it; the message says why.
        """
        body: dict[str, object] = {
            "name": name or slug.replace("-", " ").capitalize(),
            "manifest": _NOTHING if manifest is None else manifest,
        }
        if description is not None:
            body["description"] = description
        if page_config is not None:
            body["pageConfig"] = page_config
        if layout_texts is not None:
            body["layoutTexts"] = layout_texts
        shape = Shape(body)
        check_slug(slug, shape)
        shape.refuse()
        content = check_content(shape, from_builder=True)
        with self.state.lock:
            template = templates.publish(
                self.state,
                self.state.project(project),
                slug,
                content,
                unpublished=manifest is None,
            )
            template.template_type = template_type
            return template

    def put_any_template(
        self, slug: str, *, name: str | None = None, project: str = DEFAULT_PROJECT
    ) -> Template:
        """A template that takes any data and keeps it as it was sent.

        Args:
            slug, name, project: as in `put_template`, which raises the same.
        """
        content = templates.anything(slug)
        shape = Shape(content)
        check_slug(slug, shape)
        shape.refuse()
        content["name"] = name or content["name"]
        with self.state.lock:
            return templates.publish(self.state, self.state.project(project), slug, content)

    def subscribe(
        self,
        url: str,
        secret: str,
        events: Collection[str] | None = None,
        *,
        project: str = DEFAULT_PROJECT,
    ) -> Subscription:
        """Send webhooks of a project to a URL.

        Args:
            url: where to; nobody looks whether it answers.
            secret: what their bodies are signed with.
            events: some of `EVENTS`; None: all of them.
            project: must be there.

        Raises:
            ValueError: Craftkit has no such event, or there is no such project.
        """
        subscription = Subscription(url, secret, known_events(events))
        with self.state.lock:
            self.state.project(project).subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Queue no more for a `subscription` of `subscribe`; what is queued is sent."""
        with self.state.lock:
            for project in self.state.projects.values():
                if subscription in project.subscriptions:
                    project.subscriptions.remove(subscription)

    def deliver_due(self, send: Send) -> int:
        """Send every webhook that is due by the clock; returns the number of attempts.

        `send(url, body, headers)` returns the status it was answered with; an exception is a
        failed attempt. It is called without the lock, so it may use the sandbox.
        """
        attempts = 0
        while True:
            with self.state.lock:
                self.state.settle()
                delivery = self.state.outbox.claim()
            if delivery is None:
                return attempts
            attempt(self.state, delivery, send)
            attempts += 1

    def reset(self) -> None:
        """As new: templates as they were given, nothing rendered; subscribers stay.

        Projects that calls made are gone with their keys, those that were deleted are back. The
        other keys stay. Templates have other inbound hooks than before.
        """
        with self.state.lock:
            self.state.clear()
            self.signature_credits = self._credits
            self.strict_anchors = self._strict_anchors
            self._seed()

    def session(self) -> Session:
        """A `requests.Session` whose every call ends up here, without a socket."""
        return SandboxAdapter(self).session()

    def _seed(self) -> None:
        for seed in self._seeds:
            if not isinstance(seed.get("slug"), str) or "manifest" not in seed:
                raise ValueError("a template needs a slug and a manifest")
            try:
                self.put_template(
                    seed["slug"],
                    manifest=seed["manifest"],
                    name=seed.get("name"),
                    description=seed.get("description"),
                    page_config=seed.get("pageConfig"),
                    layout_texts=seed.get("layoutTexts"),
                    project=seed.get("project", DEFAULT_PROJECT),
                )
            except ValueError as error:
                raise ValueError(f"template {seed['slug']!r}: {error}") from error

    # What comes in.

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.wsgi_app(environ, start_response)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer over a socket: delays are waited out, lost answers close the connection.

        Args:
            environ, start_response: as WSGI has them.

        Raises:
            ConnectionAbortedError: the connection is to end here; `SandboxServer` does that.
        """
        answer = self.service.answer_for_host(environ)
        if answer.delay:
            self.closing.wait(answer.delay)
        if answer.response is None:
            raise ConnectionAbortedError(answer.lost)
        return answer.response(environ, start_response)

    def answer(self, environ: WSGIEnvironment) -> Answer:
        """What to answer to a WSGI `environ`, faults included; waits for and closes nothing."""
        return self.service.answer(environ)


def _owners(keys: Iterable[str] | Mapping[str, str], owner: str) -> Mapping[str, str]:
    if isinstance(keys, Mapping):
        return keys
    if isinstance(keys, str):  # else each of its letters would be a key
        keys = (keys,)
    return dict.fromkeys(keys, owner)
