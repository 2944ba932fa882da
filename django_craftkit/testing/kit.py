"""A Craftkit in the process of a test, which also stands in for the worker and the clock."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from asgiref.sync import sync_to_async
from django.test import override_settings
from django.utils import timezone

from django_craftkit import clock, conf, credentials, dispatch, projects
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.sweeping import note_overdue
from django_craftkit.sandbox import Sandbox, SandboxAdapter

from .failures import Failures
from .people import People
from .remote import RemoteRender, RemoteShare, RemoteSignatureRequest, SentEmail
from .rendered import Assertions
from .webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL = "http://craftkit.sandbox"


class Kit(People, Failures, Webhooks, Assertions):
    """Stands in for Craftkit, the worker and the passing of time.

    Templates that nobody has put there take any data; ``put_template`` makes one that checks.

    Attributes:
        sandbox: the sandbox behind it all, for what this class has no word for.
    """

    def __init__(self, settings: Any = None) -> None:
        """``settings`` is where ``CRAFTKIT_PROJECTS`` is set; ``None``: over Django's own."""
        self._offset = timedelta(0)
        self._standing: datetime | None = None
        self._aliases: set[str] = set()
        self._settings = settings
        self._entered = ExitStack()
        self.sandbox = Sandbox(
            api_keys={}, account_keys={}, public_url=BASE_URL, clock=self._timestamp, lenient=True
        )

    def __enter__(self) -> Self:
        aliases = list(conf.projects())
        if not (aliases or conf.options_or_defaults().PROJECT_RESOLVER):
            aliases = [conf.DEFAULT_PROJECT]
        configured = {
            alias: {
                "API_KEY": self._add(alias),
                "WEBHOOK_SECRETS": [f"webhook secret of {alias}"],
                "BASE_URL": BASE_URL,
            }
            for alias in aliases
        }
        if self._settings is None:
            override = override_settings(CRAFTKIT_PROJECTS=configured)
            override.enable()
            self._entered.callback(override.disable)
        else:
            self._settings.CRAFTKIT_PROJECTS = configured
        self._entered.callback(projects.set_stand_in, projects.set_stand_in(self._reached))
        self._entered.callback(dispatch.set_silent, dispatch.set_silent(True))
        # A resolver reads what the test has written, which no commit tells of.
        self._entered.callback(credentials.set_keeping, credentials.set_keeping(False))
        self._entered.callback(clock.set_clock, clock.set_clock(self._now))
        # What other tests have seen of a template is none of this one's.
        poll.forget()
        return self

    def __exit__(self, *error: object) -> None:
        self._entered.close()

    def _reached(self, project: conf.Project) -> conf.Project:
        """Have the calls of a project end up here, even where a test has set it up anew."""
        key = self._add(project.alias)
        return replace(
            project,
            api_key=key if project.api_key else "",
            base_url=BASE_URL,
            adapter=self._adapter,
        )

    def _adapter(self) -> SandboxAdapter:
        return SandboxAdapter(self.sandbox)

    def _add(self, alias: str) -> str:
        """Have Craftkit know a project; return its key."""
        key = f"ck_test_{alias}"
        with self.sandbox.state.lock:
            if alias not in self._aliases:
                self._aliases.add(alias)
                self.sandbox.add_key(key, alias)
                # Signed anew when it is sent, with what settings say by then.
                self.sandbox.subscribe(f"{BASE_URL}/to/{alias}", "", project=alias)
        return key

    def _now(self) -> datetime:
        return self._standing or timezone.now() + self._offset

    def _timestamp(self) -> float:
        now = self._now()
        if timezone.is_naive(now):
            now = timezone.make_aware(now, timezone.get_default_timezone())
        return now.timestamp()

    @property
    def renders(self) -> list[RemoteRender]:
        """The documents that Craftkit has, oldest first."""
        return list(map(RemoteRender.of, self.sandbox.renders))

    @property
    def shares(self) -> list[RemoteShare]:
        """The links that Craftkit has made, by document, revoked ones too."""
        return list(map(RemoteShare.of, self.sandbox.shares))

    @property
    def outbox(self) -> list[SentEmail]:
        """The e-mails that Craftkit has sent with a link, oldest first."""
        return list(map(SentEmail.of, self.sandbox.mails))

    @property
    def signatures(self) -> list[RemoteSignatureRequest]:
        """The signature requests that Craftkit has, oldest first."""
        return list(map(RemoteSignatureRequest.of, self.sandbox.signatures))

    def put_template(self, slug: str, manifest: Mapping[str, object], **options: Any) -> None:
        """Publish a template that checks its data, as Craftkit does.

        Args:
            slug: what documents name.
            manifest: the variables and loops that data are checked against.
            options: those of ``Sandbox.put_template``.
        """
        self.sandbox.put_template(slug, manifest=manifest, **options)

    def run(self) -> int:
        """Carry out everything that is due, webhooks included; return how much that was.

        Documents that are overdue by now are noted as such, as a sweep does.
        """
        total = 0
        # Time stands still meanwhile: what is due a second later is not due on a slow machine.
        self._standing = self._now()
        try:
            note_overdue()
            while True:
                total += Loop(threads=1, wake=None).run()
                # A loop ends when nothing is due: only a webhook can bring something more.
                if not (sent := self.deliver()):
                    return total
                total += sent
        finally:
            self._standing = None

    async def arun(self) -> int:
        """Do as ``run`` does, in async tests."""
        return await sync_to_async(self.run)()

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass, here and at Craftkit; ``run`` then does what has become due."""
        self._offset += timedelta(seconds=seconds)
