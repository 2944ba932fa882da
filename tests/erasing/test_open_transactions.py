"""What was requested in a transaction that was open while its document was erased goes, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_craftkit.models import EngagementEvent, Render, Share, SignatureRequest
from tests.erasing.people import ADA, ADDRESS, NAME, TAGS, erase, places, request
from tests.helpers import Killed, held, killed, settle, work
from tests.seams import before_writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_craftkit.testing import Kit
    from tests.shop.models import Order

pytestmark = pytest.mark.django_db

LINK = pytest.param(
    Share,
    lambda render: render.share(channel="email", recipient_email=ADDRESS, message=f"Dear {NAME}"),
    id="link",
)
MAIL = pytest.param(Share, lambda render: render.email(ADDRESS, recipient_name=NAME), id="mail")
REQUEST = pytest.param(
    SignatureRequest,
    lambda render: render.send_for_signature([ADA], anchor_tags=TAGS, name=f"Of {NAME}"),
    id="signature request",
)
ALL = pytest.mark.parametrize(("model", "ask"), [LINK, MAIL, REQUEST])


def requested_meanwhile(
    craftkit: Kit,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    model: type[Any],
    ask: Callable[[Render], Any],
) -> Any:
    """Request something of a document that is erased after that was looked at, before it is there.

    That is how whoever erases, and sees what is committed, sees it.
    """
    render = request(order)
    craftkit.run()
    before_writing(monkeypatch, model, lambda: erase(order), verb="INSERT")
    row = ask(render)
    assert row.erased_at is None
    assert places() != []
    return row


@ALL
def test_it_is_never_sent_and_nothing_of_it_stays(
    craftkit: Kit,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    model: type[Any],
    ask: Callable[[Render], Any],
):
    row = requested_meanwhile(craftkit, order, monkeypatch, model, ask)
    settle(craftkit)
    row.refresh_from_db()
    assert row.status in ("revoked", "cancelled")
    assert row.erased_at is not None
    assert places() == []
    assert (craftkit.shares, craftkit.outbox, craftkit.signatures) == ([], [], [])


@pytest.mark.django_db(transaction=True)
@ALL
def test_nor_does_it_where_the_transaction_really_is_open(
    craftkit: Kit, order: Order, model: type[Any], ask: Callable[[Render], Any]
):
    if connection.vendor != "postgresql":
        pytest.skip("Whoever erases waits here for whoever requests something of the document.")
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    with held(lambda: ask(render)):
        erase(order)
        assert not model.objects.exists()
    assert places() != []
    settle(craftkit)
    assert places() == []
    assert (craftkit.shares, craftkit.outbox, craftkit.signatures) == ([], [], [])


@ALL
def test_taken_back_in_that_transaction_nothing_of_it_stays(
    craftkit: Kit,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    model: type[Any],
    ask: Callable[[Render], Any],
):
    row = requested_meanwhile(craftkit, order, monkeypatch, model, ask)
    taken_back = row.revoke() if model is Share else row.cancel(reason=f"{NAME} is ill.")
    assert taken_back
    settle(craftkit)
    assert places() == []


@ALL
def test_a_worker_that_ends_in_the_midst_leaves_it_to_the_next(
    craftkit: Kit,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    model: type[Any],
    ask: Callable[[Render], Any],
):
    row = requested_meanwhile(craftkit, order, monkeypatch, model, ask)
    before_writing(monkeypatch, model, killed, verb="UPDATE", setting="status")
    with pytest.raises(Killed):
        work()
    settle(craftkit)
    row.refresh_from_db()
    assert row.is_final if model is SignatureRequest else row.status in Share.FINAL
    assert places() == []


def test_what_was_seen_of_it_is_not_told(
    craftkit: Kit, order: Order, monkeypatch: pytest.MonkeyPatch
):
    render = request(order)
    craftkit.run()
    before_writing(monkeypatch, EngagementEvent, lambda: erase(order), verb="INSERT")
    render.refresh_from_db()
    render.record("printed", {"by": ADDRESS})
    assert places() == ["EngagementEvent.metadata"]
    settle(craftkit)
    assert places() == []
