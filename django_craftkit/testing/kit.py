"""A Craftkit in the process of a test, which also stands in for the worker and the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.test import RequestFactory, override_settings
from django.utils import timezone

from django_craftkit import clock, conf
from django_craftkit.database import database
from django_craftkit.models import Share, SignatureRequest
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.sweeping import note_overdue
from django_craftkit.sandbox import Mail, Sandbox, SandboxAdapter
from django_craftkit.sandbox import Render as SandboxRender
from django_craftkit.sandbox import Share as SandboxShare
from django_craftkit.sandbox import SignatureRequest as SandboxSignatureRequest
from django_craftkit.webhooks.views import receive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Response

#: A signature request, here or at Craftkit.
AnyRequest = SignatureRequest | SandboxSignatureRequest

BASE_URL = "http://craftkit.sandbox"
#: Where guests call from; an address that is nobody's.
GUEST = "203.0.113.7"


class Kit:
    """Stands in for Craftkit, the worker and the passing of time.

    Templates that nobody has put there take any data; ``put_template`` makes one that checks.
    """

    def __init__(self, settings: Any = None) -> None:
        """``settings`` is where ``CRAFTKIT_PROJECTS`` is set; ``None``: over Django's own."""
        aliases = list(conf.projects()) or [conf.DEFAULT_PROJECT]
        keys = {alias: f"ck_test_{alias}" for alias in aliases}
        secrets = {alias: f"webhook secret of {alias}" for alias in aliases}
        self._offset = timedelta(0)
        self._standing: datetime | None = None
        self.sandbox = Sandbox(
            api_keys={key: alias for alias, key in keys.items()},
            public_url=BASE_URL,
            clock=self._timestamp,
            lenient=True,
        )
        for alias, secret in secrets.items():
            self.sandbox.subscribe(f"{BASE_URL}/to/{alias}", secret, project=alias)
        self._projects = {
            alias: {
                "API_KEY": keys[alias],
                "WEBHOOK_SECRETS": [secrets[alias]],
                "BASE_URL": BASE_URL,
                "ADAPTER": lambda: SandboxAdapter(self.sandbox),
            }
            for alias in aliases
        }
        self._settings = settings
        self._override = override_settings(CRAFTKIT_PROJECTS=self._projects)

    def __enter__(self) -> Self:
        if self._settings is None:
            self._override.enable()
        else:
            self._settings.CRAFTKIT_PROJECTS = self._projects
        clock.set_clock(self._now)
        # What other tests have seen of a template is none of this one's.
        poll.forget()
        return self

    def __exit__(self, *error: object) -> None:
        clock.set_clock(None)
        if self._settings is None:
            self._override.disable()

    def _now(self) -> datetime:
        return self._standing or timezone.now() + self._offset

    def _timestamp(self) -> float:
        now = self._now()
        if timezone.is_naive(now):
            now = timezone.make_aware(now, timezone.get_default_timezone())
        return now.timestamp()

    @property
    def renders(self) -> list[SandboxRender]:
        """The documents that Craftkit has, oldest first."""
        return self.sandbox.renders

    @property
    def shares(self) -> list[SandboxShare]:
        """The links that Craftkit has made."""
        return self.sandbox.shares

    @property
    def mails(self) -> list[Mail]:
        """The e-mails that Craftkit has sent, oldest first."""
        return self.sandbox.mails

    @property
    def signatures(self) -> list[SandboxSignatureRequest]:
        """The signature requests that Craftkit has, oldest first."""
        return self.sandbox.signatures

    def open(self, what: Share | SandboxShare | Mail, *, ip: str = GUEST) -> Response:
        """Open the page of a link, or read a mail, as a guest does; return what the browser gets.

        Args:
            what: a link, here or at Craftkit, or a mail.
            ip: whose address Craftkit sees; it counts one guest once in five minutes.

        Raises:
            ValueError: the link has not been made yet.
        """
        if isinstance(what, Share):
            what.refresh_from_db(using=database())
        if not what.url:
            raise ValueError(f"{what} has no link yet: let the worker run() first.")
        with SandboxAdapter(self.sandbox, ip).session() as browser:
            if isinstance(what, Mail):
                browser.get(f"{what.url}/pixel.png")
            return browser.get(what.url)

    def sign(self, request: AnyRequest, email: str | None = None) -> SandboxSignatureRequest:
        """Sign, or approve; the last signer completes the request. Return it as Craftkit has it.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is all who have still to sign or approve.

        Raises:
            ValueError: there is nothing to sign.
        """
        there = self._there(request)
        if email is None:
            return self.sandbox.sign_all(there.id)
        return self.sandbox.sign(there.id, email)

    def decline(
        self, request: AnyRequest, email: str | None = None, reason: str = ""
    ) -> SandboxSignatureRequest:
        """Decline to sign. Return the request as Craftkit has it.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is the next one to act.
            reason: what they write.

        Raises:
            ValueError: nobody is left to sign.
        """
        there = self._there(request)
        return self.sandbox.decline(there.id, email or _next_of(there), reason or None)

    def view(self, request: AnyRequest, email: str | None = None) -> SandboxSignatureRequest:
        """Open the signing page. Return the request as Craftkit has it.

        Args:
            request: here or at Craftkit.
            email: the signer's; None is the next one to act.

        Raises:
            ValueError: nobody is left to sign.
        """
        there = self._there(request)
        return self.sandbox.view_signature(there.id, email or _next_of(there))

    def _there(self, request: AnyRequest) -> SandboxSignatureRequest:
        if isinstance(request, SandboxSignatureRequest):
            return request
        request.refresh_from_db(using=database())
        for one in self.signatures:
            if one.id == str(request.remote_id):
                return one
        raise ValueError(f"{request} is {request.status}: let the worker run() first.")

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
            while done := Loop(threads=1, wake=None).run() + self.deliver():
                total += done
        finally:
            self._standing = None
        return total

    def deliver(self) -> int:
        """Send the webhooks that are due, without processing them; return how many."""
        return self.sandbox.deliver_due(self._send)

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass, here and at Craftkit; ``run`` then does what has become due."""
        self._offset += timedelta(seconds=seconds)

    def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        request = RequestFactory().post(
            url, body, content_type="application/json", headers=dict(headers)
        )
        return receive(request, project=url.rpartition("/")[2]).status_code


def _next_of(request: SandboxSignatureRequest) -> str:
    """Return the address of who is to act next."""
    waiting = [one for one in request.recipients if one.acts and not one.acted]
    if not waiting:
        raise ValueError(f"nobody is left to sign: {request.status}")
    return min(waiting, key=lambda one: one.order).email
