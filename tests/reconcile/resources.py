"""Documents, links, e-mails and signature requests, in the same words: requested, made, ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.models import (
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.reconcile.signatures.send import wire_key
from tests import helpers
from tests.reconcile.signatures.helpers import send

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

TO = "ada@example.com"
REASON = "No need."
LIST_SHARES = {"method": "GET", "path": "/v1/renders/*/shares"}


@dataclass(frozen=True)
class Resource:
    """What can be requested of a document, or the document itself."""

    name: str
    model: type[Render | Share | SignatureRequest]
    ask: Callable[..., Any]
    #: The path of the call that makes it.
    path: str
    #: The field of that call in which `named` names it.
    field: str
    #: The kind of the job that makes that call.
    job: str
    #: Its status once Craftkit has answered, once it is made, and once it was taken back.
    answered: str
    made: str
    ended: str
    take_back: Callable[..., bool]

    @property
    def post(self) -> dict[str, str]:
        return {"method": "POST", "path": self.path}

    @property
    def ending(self) -> str:
        return f"/{self.path.rpartition('/')[2]}"

    def posts(self, craftkit: Kit) -> int:
        calls = craftkit.sandbox.requests
        return sum(call.method == "POST" and call.path.endswith(self.ending) for call in calls)

    def named(self, render: Render | None, name: str) -> Any:
        """Request one that `name_in` knows by the call that makes it."""
        return self.ask(render, key=name, **{self.field: name})

    def name_in(self, body: bytes) -> str:
        said = json.loads(body)
        return str(said.get("data", said)[self.field])

    def statuses(self) -> list[str]:
        return list(self.model.objects.order_by("pk").values_list("status", flat=True))


def document(_: Render | None, *, key: str = "i-2", **data: object) -> Render:
    return Render.objects.request("invoice", data, key=key)


def mail(render: Render, **more: object) -> Share:
    return render.email(TO, **{"message": "Here you are.", **more})


def cancel(request: SignatureRequest, **more: object) -> bool:
    return request.cancel(reason=REASON, **more)


DOCUMENT = Resource(
    name="document",
    model=Render,
    ask=document,
    path="/v1/templates/*/render",
    field="number",
    job=Job.Kind.RENDER,
    answered="queued",
    made="succeeded",
    ended="cancelled",
    take_back=Render.withdraw,
)
LINK = Resource(
    name="link",
    model=Share,
    ask=Render.share,
    path="/v1/renders/*/shares",
    field="message",
    job=Job.Kind.SHARE,
    answered="active",
    made="active",
    ended="revoked",
    take_back=Share.revoke,
)
MAIL = replace(LINK, name="e-mail", ask=mail, path="/v1/renders/*/email", job=Job.Kind.EMAIL)
SIGNATURE = Resource(
    name="signature request",
    model=SignatureRequest,
    ask=send,
    path="/v1/signatures",
    field="name",
    job=Job.Kind.SEND_SIGNATURE,
    answered="sent",
    made="sent",
    ended="cancelled",
    take_back=cancel,
)


def resource_of(row: Share | SignatureRequest) -> Resource:
    if isinstance(row, Share):
        return MAIL if row.by_mail else LINK
    return SIGNATURE


def each(*resources: Resource) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("resource", resources, ids=[one.name for one in resources])


each_of_all = each(DOCUMENT, LINK, MAIL, SIGNATURE)
each_resource = each(LINK, MAIL, SIGNATURE)
each_share = each(LINK, MAIL)


def settle(craftkit: Kit) -> None:
    """Let time pass until there is nothing left to do but to ask about open requests."""
    helpers.settle(craftkit, but=(Job.Kind.POLL_SIGNATURES,))


def open_there(craftkit: Kit) -> list[str]:
    links = [link.id for link in craftkit.shares if not link.revoked]
    return links + [one.id for one in craftkit.signatures if one.status in ("sent", "viewed")]


def is_nothing_there(craftkit: Kit) -> bool:
    return not (craftkit.shares or craftkit.outbox or craftkit.signatures)


def check_made(craftkit: Kit, resource: Resource, *rows: Any) -> None:
    """Each of these rows has one at Craftkit, which is open; there is no other, here or there."""
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.error, row.error_code) == (resource.made, "", "")
    ids = sorted(str(row.remote_id) for row in rows)
    assert resource.model.objects.count() == len(set(ids)) == len(rows)
    assert not ProjectState.objects.paused().exists()
    if resource is DOCUMENT:
        assert sorted(one.id for one in craftkit.renders) == ids
        return
    assert sorted(open_there(craftkit)) == ids
    assert len(craftkit.shares) + len(craftkit.signatures) == len(rows)
    assert sorted(mail.share.id for mail in craftkit.outbox) == (ids if resource is MAIL else [])
    if resource is SIGNATURE:
        keys = {one.idempotency_key: one.id for one in craftkit.sandbox.signatures}
        assert keys == {wire_key(row): str(row.remote_id) for row in rows}
        assert craftkit.sandbox.billed_signatures == len(rows)
        mails = len(craftkit.sandbox.signature_mails)
        assert mails == SignatureRecipient.objects.count() == 2 * len(rows)
        return
    assert all(row.is_open for row in rows)
    assert resource is LINK or not Share.objects.filter(mailed_at=None).exists()


def check_ended(craftkit: Kit, resource: Resource, row: Any, *, made: bool) -> None:
    """This row was taken back: Craftkit had made one and has closed it, or it never had one."""
    row.refresh_from_db()
    assert row.status == resource.ended
    if resource is DOCUMENT:
        assert len(craftkit.renders) == made
        return
    assert open_there(craftkit) == []
    assert len(craftkit.shares) + len(craftkit.signatures) == made
    assert len(craftkit.outbox) == (made and resource is MAIL)
    if isinstance(row, Share):
        assert row.revoked_at is not None
