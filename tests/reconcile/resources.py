"""Links, e-mails and signature requests, in the same words: asked for, made, taken back."""

from __future__ import annotations

from dataclasses import dataclass
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
from tests import helpers
from tests.reconcile.signatures.helpers import send

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit

TO = "ada@example.com"
REASON = "No need."


@dataclass(frozen=True)
class Resource:
    """What may be asked for of a document."""

    model: type[Share | SignatureRequest]
    ask: Callable[..., Any]
    #: The path of the call that makes it.
    path: str
    #: Its status once it is made, and once it was taken back.
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


def mail(render: Render, **more: object) -> Share:
    return render.email(TO, **{"message": "Here you are.", **more})


def cancel(request: SignatureRequest, **more: object) -> bool:
    return request.cancel(reason=REASON, **more)


LINK = Resource(Share, Render.share, "/v1/renders/*/shares", "active", "revoked", Share.revoke)
MAIL = Resource(Share, mail, "/v1/renders/*/email", "active", "revoked", Share.revoke)
SIGNATURE = Resource(SignatureRequest, send, "/v1/signatures", "sent", "cancelled", cancel)


def resource_of(row: Share | SignatureRequest) -> Resource:
    if isinstance(row, Share):
        return MAIL if row.by_mail else LINK
    return SIGNATURE


each_resource = pytest.mark.parametrize(
    "resource", [LINK, MAIL, SIGNATURE], ids=["link", "e-mail", "signature request"]
)
each_share = pytest.mark.parametrize("resource", [LINK, MAIL], ids=["link", "e-mail"])


def settle(craftkit: Kit) -> None:
    """Let time pass until there is nothing left to do but to ask about open requests."""
    helpers.settle(craftkit, but=(Job.Kind.POLL_SIGNATURES,))


def open_there(craftkit: Kit) -> list[str]:
    links = [link.id for link in craftkit.shares if not link.revoked]
    return links + [one.id for one in craftkit.signatures if one.status in ("sent", "viewed")]


def is_nothing_there(craftkit: Kit) -> bool:
    return not (craftkit.shares or craftkit.mails or craftkit.signatures)


def check_made(craftkit: Kit, resource: Resource, *rows: Any) -> None:
    """Each of these rows has one at Craftkit, which is open; there is no other, here or there."""
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.error, row.error_code) == (resource.made, "", "")
    ids = sorted(str(row.remote_id) for row in rows)
    assert sorted(open_there(craftkit)) == ids
    assert len(craftkit.shares) + len(craftkit.signatures) == len(set(ids)) == len(rows)
    assert resource.model.objects.count() == len(rows)
    if resource is not SIGNATURE:
        assert all(row.is_open for row in rows)
    if resource is MAIL:
        assert sorted(mail.share.id for mail in craftkit.mails) == ids
        assert not Share.objects.filter(mailed_at=None).exists()
    if resource is SIGNATURE:
        assert craftkit.sandbox.billed_signatures == len(rows)
        mails = len(craftkit.sandbox.signature_mails)
        assert mails == SignatureRecipient.objects.count() == 2 * len(rows)
    assert not ProjectState.objects.paused().exists()


def check_ended(craftkit: Kit, resource: Resource, row: Any, *, made: bool) -> None:
    """This row was taken back: Craftkit had made one and has closed it, or it never had one."""
    row.refresh_from_db()
    assert row.status == resource.ended
    assert open_there(craftkit) == []
    assert len(craftkit.shares) + len(craftkit.signatures) == made
    assert len(craftkit.mails) == (made and resource is MAIL)
    if isinstance(row, Share):
        assert row.revoked_at is not None
