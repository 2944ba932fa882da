"""Webhooks: those that Craftkit has to send, and any other that a test makes up."""

from __future__ import annotations

import json
import uuid
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory, override_settings

from django_craftkit import clock, conf, credentials
from django_craftkit.models import EmbedSession, Render, Share, SignatureRequest
from django_craftkit.sandbox import sign
from django_craftkit.webhooks.views import receive

from .moments import as_text
from .people import GUEST
from .remote import RemoteRender, RemoteShare, RemoteSignatureRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from django.http import HttpResponse

    from django_craftkit.sandbox import Sandbox

    AnyRow = (
        Render
        | RemoteRender
        | Share
        | RemoteShare
        | SignatureRequest
        | RemoteSignatureRequest
        | EmbedSession
    )

#: What Craftkit's own address is here; the alias of the project is below it.
PATH: Final = "/craftkit/webhooks/"
#: Events of a document that its recipients cause; this site causes the others.
_OF_RECIPIENTS: Final = ("viewed", "downloaded", "printed", "email_opened")


class Webhooks:
    """The part of the kit that sends webhooks."""

    sandbox: Sandbox

    def deliver(self) -> int:
        """Send the webhooks that are due, without processing them; return how many."""
        return self.sandbox.deliver_due(self._send)

    def webhook(
        self,
        event: str,
        about: AnyRow | None = None,
        *,
        body: Mapping[str, object] | None = None,
        at: datetime | None = None,
        id: str | None = None,  # noqa: A002 - Craftkit's name for it
        sent_at: datetime | None = None,
        secret: str | None = None,
        project: str | None = None,
    ) -> HttpResponse:
        """Send a webhook to this site, as Craftkit would; ``run()`` then processes it.

        Craftkit itself does not change by it: what this site asks it for afterwards is answered
        as ever.

        Args:
            event: its name, such as ``render.succeeded``; any other is sent as it is.
            about: what it is about, here or at Craftkit; None: only ``body`` says.
            body: what its JSON says more, or otherwise, by Craftkit's names.
            at: when what it tells of has happened; None: now.
            id: of the delivery; None: a new one. Craftkit sends one id again until it is answered.
            sent_at: what its timestamp says; None: now.
            secret: what it is signed with; None: a secret of the project.
            project: the alias of its project; None: that of ``about``, else ``default``.

        Returns:
            What this site answers: 200 once it is stored, 401 where the signature is wrong, 400
            where the timestamp is too far off.

        Raises:
            ValueError: Craftkit doesn't know ``about`` yet.
        """
        said = _body(event, about, as_text(at or clock.now()))
        content = json.dumps({"event": event, **said, **(body or {})}).encode()
        alias = project or (conf.DEFAULT_PROJECT if about is None else self._project_of(about))
        moment = clock.seconds() if sent_at is None else sent_at.timestamp()
        headers = {
            "X-Craftkit-Event": event,
            "X-Craftkit-Signature": sign(_secret(alias) if secret is None else secret, content),
            "X-Craftkit-Timestamp": str(int(moment)),
            "X-Craftkit-Delivery-Id": id or str(uuid.uuid4()),
        }
        return _post(alias, content, headers)

    def _project_of(self, about: AnyRow) -> str:
        if isinstance(about, RemoteShare | RemoteSignatureRequest):
            renders = self.sandbox.renders
            return next(one.project.name for one in renders if one.id == about.render_id)
        return about.project

    def _send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send what the sandbox has to send; return the answer's status."""
        alias = url.rpartition("/")[2]
        # By the secret of now: a test may have set another one, or none.
        with _with_secret(alias):
            signed = {**headers, "X-Craftkit-Signature": sign(_secret(alias), body)}
            return _post(alias, body, signed).status_code


def _post(alias: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
    # Not by its address: a project may have put it elsewhere, or nowhere.
    request = RequestFactory().post(
        f"{PATH}{alias}/", body, content_type="application/json", headers=dict(headers)
    )
    return receive(request, project=alias)


def _with_secret(alias: str) -> AbstractContextManager[object]:
    """Give a project that has no secret one for a moment, so that Craftkit can tell of it.

    That is one which a test has set up with little, or that is in no settings at all.
    """
    try:
        if credentials.webhook_secrets(alias):
            return nullcontext()
    except (ImproperlyConfigured, credentials.ProjectUnavailable):
        return nullcontext()
    given = conf.projects()
    entry = {**dict(given.get(alias, {})), "WEBHOOK_SECRETS": [alias]}  # type: ignore[call-overload]
    return override_settings(CRAFTKIT_PROJECTS={**given, alias: entry})


def _secret(alias: str) -> str:
    """Return what Craftkit signs a project's webhooks with; "": nothing that would do."""
    try:
        known = credentials.webhook_secrets(alias)
    except (ImproperlyConfigured, credentials.ProjectUnavailable):
        return ""
    return known[0].decode() if known else ""


def _body(event: str, about: AnyRow | None, moment: str) -> dict[str, object]:
    """Return what Craftkit says of such an event.

    Source: https://docs.craftkit.dev/guides/webhooks
    """
    _, _, what = event.partition(".")
    match about:
        case Render() | RemoteRender():
            if event.startswith("document."):
                return _document_body(_id(about), None, what, moment)
            return {
                "renderId": _id(about),
                "templateId": str(uuid.uuid5(uuid.NAMESPACE_URL, about.template)),
                "status": what,
                "downloadUrl": None,
                "errorMessage": "Failed by the test." if what == "failed" else None,
                "createdAt": moment,
                "completedAt": moment,
            }
        case Share():
            return _document_body(_id(about.render), _id(about), what, moment)
        case RemoteShare():
            return _document_body(about.render_id, about.id, what, moment)
        case SignatureRequest():
            return _signature_body(_id(about), _id(about.render), what)
        case RemoteSignatureRequest():
            return _signature_body(about.id, about.render_id, what)
        case EmbedSession():
            return {
                "sessionId": str(about.remote_id),
                "templateSlug": about.template,
                "templateVersion": 1,
                "renderId": None,
                "data": {},
                "submittedAt": moment,
            }
    return {}


def _document_body(
    render_id: str, share_id: str | None, what: str, moment: str
) -> dict[str, object]:
    return {
        "renderId": render_id,
        "shareId": share_id,
        "eventId": str(uuid.uuid4()),
        "eventType": what,
        "actorKind": "recipient" if what in _OF_RECIPIENTS else "partner",
        "sourceIp": GUEST,
        "userAgent": None,
        "metadata": None,
        "createdAt": moment,
    }


def _signature_body(request_id: str, render_id: str, what: str) -> dict[str, object]:
    said: dict[str, object] = {"signatureRequestId": request_id, "renderId": render_id}
    # It says neither who, nor how far the request is by then.
    return said if what == "signed" else {**said, "status": what}


def _id(row: Render | RemoteRender | Share | SignatureRequest) -> str:
    if isinstance(row, RemoteRender):
        return row.id
    rows: Any = type(row).objects.writer().filter(pk=row.pk)
    remote_id = row.remote_id or rows.values_list("remote_id", flat=True).get()
    if remote_id is None:
        raise ValueError(f"{row} has no id at Craftkit yet: let the worker run() first.")
    return str(remote_id)
