"""A person is erased: nothing of her is left, and what was sent is closed all the same."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile

from django_craftkit.models import (
    ArchivedFile,
    Change,
    EngagementEvent,
    Job,
    KeyConflict,
    Render,
    RenderWithdrawn,
    Share,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.archive import archive_storage
from django_craftkit.models.erased import LEFT
from django_craftkit.signals import render_withdrawn
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import LEASE_OVER, connected, killed, settle, work
from tests.people import ADDRESS, ADDRESS_OF_NET, NAME, files, filled, may_hold_words, places
from tests.seams import after_marking_as_sent, after_sending, before_committing, before_sending
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal

    from django_craftkit.testing import Kit

pytestmark = pytest.mark.django_db

TAGS = [AnchorTag("{{sign}}", "signature")]
ADA = Recipient("Ada", NAME, ADDRESS)
BOB = Recipient("Bob", "Boole", "bob@example.com")

#: Columns of text that stay, and why nobody is in them.
HARMLESS = {
    "project": "an alias of the settings",
    "key_hash": "keeps a used key used; not the key, but whoever can guess that can try it",
    "error_code": "a code",
    "template": "a slug",
    "status": "a code",
    "builder": "the name of a function",
    "counts": "numbers by kind of event",
    "channel": "a code",
    "cancel_code": "a code",
    "SignatureRecipient.remote_id": "Craftkit's id: who has signed is told by it",
    "designation": "a role",
    "EngagementEvent.type": "a code",
    "EngagementEvent.actor": "a code",
    "Change.kind": "a code",
    "from_status": "a code",
    "to_status": "a code",
    "cause": "a code",
    "signal": "a name",
    "announcement": "a code",
    "Change.receivers": "names of functions; what they raised goes",
    "Job.kind": "a code",
    "WebhookDelivery.event": "a code",
    "body_hash": "tells repeats of a webhook",
    "ArchivedFile.kind": "a code",
    "coverage": "a code",
    "ArchiveWrite.kind": "a code",
    "ArchiveWrite.name": "made of ids, until the file is deleted",
    "ArchiveWrite.sha256": "of a file, until it is deleted",
}
#: Models that are about no person.
ABOUT_NOBODY = ("Template", "ProjectState")


@pytest.fixture(autouse=True)
def _archive() -> Iterator[None]:
    yield
    for name in files():
        archive_storage().delete(name)


@pytest.fixture
def order(db: None) -> Order:
    return Order.objects.create(number=f"for {NAME}")


def request(order: Order | None, key: str = f"invoice for {ADDRESS}", **more: Any) -> Render:
    data = {"name": NAME, "email": ADDRESS}
    return Render.objects.request("invoice", data, source=order, key=key, **more)


def erase(order: Order, **how: Any) -> Any:
    return Render.objects.for_object(order).erase(**how)


def full_rows(order: Order) -> list[Any]:
    """Make a row of each model that is about her, with something of her wherever it can be."""
    render = Render(status="failed", remote_id=uuid.uuid4(), template="invoice")
    render.set_source(order)
    share = Share(render=render, status="revoked", remote_id=uuid.uuid4())
    asked = SignatureRequest(render=render, status="completed", remote_id=uuid.uuid4())
    person = SignatureRecipient(request=asked, position=0)
    seen = EngagementEvent(render=render, event_id=uuid.uuid4(), type="viewed", actor="recipient")
    rows: list[Any] = [render, share, asked, person, seen]
    for row in rows:
        fill(row)
    abouts = {"render": render, "share": share, "signature": asked, "engagement": seen}
    for kind, row in abouts.items():
        failed = {"app.receive": {"attempts": 8, "error": ADDRESS, "abandoned": True}}
        change = Change(kind=kind, object_id=row.pk, to_status="done", receivers=failed)
        job = Job(kind=f"announce {kind}", object_id=row.pk)
        rows += [fill(change, but=("receivers",)), fill(job)]
    for about in (render, asked):
        delivery = WebhookDelivery(
            about=about.remote_id, delivery_id=uuid.uuid4(), status="processed"
        )
        rows.append(fill(delivery))
    for kind, row in (("render", render), ("signed", asked), ("certificate", asked)):
        name = f"craftkit/default/{kind}/{row.remote_id}/{uuid.uuid4().hex}.pdf"
        archive_storage().save(name, ContentFile(f"%PDF for {ADDRESS}".encode()))
        file = ArchivedFile(kind=kind, object_id=row.pk, name=name, size=9, sha256=NAME)
        file.save()
        rows.append(file)
    boss = User.objects.create_user("boss")
    for row in (render, share, asked):
        entry = LogEntry.objects.create(
            user=boss,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=ADDRESS,
            action_flag=CHANGE,
            change_message=f"Mailed to {NAME}.",
        )
        rows.append(entry)
    return rows


def fill(row: Any, but: tuple[str, ...] = ()) -> Any:
    before = {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}
    for name in LEFT[type(row).__name__]:
        field = row._meta.get_field(name)
        # What it is about is found by these.
        is_about = name.startswith("source_")
        if may_hold_words(field) and not is_about and name not in but:
            setattr(row, name, filled(field))
    for name in ("project", "key_hash"):
        if name in before:
            setattr(
                row, name, before[name] or ("default" if name == "project" else uuid.uuid4().hex)
            )
    row.save()
    return row


@pytest.mark.django_db(transaction=True)
def test_nothing_of_her_is_left_in_any_column_or_file(order: Order):
    rows = full_rows(order)
    Order.objects.all().delete()
    told = {place for place in places(among=rows) if place != "file"}
    fields = {f"{model}.{name}" for model, columns in LEFT.items() for name in columns}
    ids = {field for field in fields if ".source_" in field} | {"ArchivedFile.name"}
    assert told >= fields - ids, "each column that is erased had something of her"
    erasure = erase(order, archive=True)
    assert places(among=rows) == []
    assert erasure.is_complete
    assert places() == []
    render = Render.objects.get()
    assert (render.source_id, render.source_type, render.source_db) == ("", None, "")


def test_no_column_is_forgotten():
    forgotten, known = [], set()
    for model in apps.get_app_config("craftkit").get_models():
        name = model.__name__
        for field in filter(may_hold_words, model._meta.concrete_fields):
            if name in ABOUT_NOBODY or field.name in LEFT.get(name, {}):
                continue
            reasons = {field.name, f"{name}.{field.name}"} & HARMLESS.keys()
            known |= reasons
            if not reasons:
                forgotten.append(f"{name}.{field.name}")
    assert forgotten == [], "erase them (models/erased.py), or say here why nobody is in them"
    assert known == HARMLESS.keys()


def test_a_skeleton_stays(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    render.refresh_from_db()
    before = (render.key_hash, render.remote_id, render.attempt, render.status, render.template)
    erase(order)
    render.refresh_from_db()
    after = (render.key_hash, render.remote_id, render.attempt, render.status, render.template)
    assert after == before
    assert render.erased_at == render.withdrawn_at or render.erased_at is not None
    assert render.withdrawn_at is not None
    assert str(render) == f"invoice #{render.pk}"


# All that happens to a document, before and after.


def all_of_it(craftkit: Kit, order: Order) -> Render:
    render = request(order, filename=f"{NAME}.pdf")
    craftkit.run()
    share = render.share(channel="email", recipient_email=ADDRESS, message=f"Dear {NAME}")
    render.email(ADDRESS, recipient_name=NAME, message=f"Dear {NAME}")
    asked = render.send_for_signature([ADA, BOB], anchor_tags=TAGS, name=f"Of {NAME}")
    render.send_for_signature([ADA], anchor_tags=TAGS, name=f"Also of {NAME}", key=ADDRESS)
    craftkit.run()
    craftkit.open(share, ip=ADDRESS_OF_NET)
    craftkit.view(asked)
    craftkit.decline(asked, ADDRESS, f"I am not {NAME}.")
    craftkit.run()
    render.refresh_from_db()
    render.record("printed", {"by": ADDRESS})
    return render


def test_whatever_comes_later_brings_nothing_back(craftkit: Kit, order: Order, caplog, settings):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    caplog.set_level("DEBUG", "django_craftkit")
    render = all_of_it(craftkit, order)
    assert {"Render.data", "Share.message", "EngagementEvent.ip_address"} <= set(places())
    # On its way to this site while she is erased.
    craftkit.open(render.shares.get(by_mail=True), ip=ADDRESS_OF_NET)
    erasure = erase(order)
    assert len(erasure.erased["Render"]) == 1
    settle(craftkit)
    render.refresh()
    settle(craftkit)
    assert places() == []
    assert not EngagementEvent.objects.to_be_told().exists()
    assert all(share.revoked for share in craftkit.shares)
    assert sorted(one.status for one in craftkit.signatures) == ["cancelled", "declined"]
    assert {share.status for share in render.shares.all()} == {"revoked"}
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("django_c")]
    assert not [line for line in lines if NAME.lower() in line.lower() or ADDRESS_OF_NET in line]


def test_before_it_was_sent_it_is_cancelled(craftkit: Kit, order: Order):
    render = request(order)
    erase(order)
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "erased")
    assert craftkit.renders == []
    assert places() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", [before_sending, after_sending])
def test_while_it_is_sent_its_answer_brings_nothing_back(
    craftkit: Kit, order: Order, monkeypatch: pytest.MonkeyPatch, moment: Callable[..., None]
):
    render = request(order)
    moment(monkeypatch, "/render", lambda: erase(order))
    work()
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, str(render.remote_id)) == ("succeeded", craftkit.renders[0].id)
    assert len(craftkit.renders) == 1
    assert places() == []


@pytest.mark.parametrize("trouble", ["cut_before", "cut_after"])
def test_one_that_was_not_answered_is_never_sent_again(craftkit: Kit, order: Order, trouble: str):
    craftkit.sandbox.faults.add(trouble, method="POST", path="/v1/templates/*/render")
    render = request(order)
    work()
    render.refresh_from_db()
    assert render.status == "pending"
    erase(order)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "erased_unanswered")
    assert [call.method for call in craftkit.sandbox.requests].count("POST") == 1
    assert places() == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_has_read_its_data_does_not_send_them_again(
    craftkit: Kit, order: Order, monkeypatch: pytest.MonkeyPatch
):
    craftkit.sandbox.faults.add("cut_before", method="POST", path="/v1/templates/*/render")
    render = request(order)
    work()
    craftkit.pass_time(LEASE_OVER)
    after_marking_as_sent(monkeypatch, Render, killed)  # never comes to it
    before_committing(monkeypatch, Render, lambda: None)
    erase(order)
    work()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("cancelled", "erased_unanswered")


# Its key, and what can't be done with it any more.


def test_a_key_that_was_used_stays_used(craftkit: Kit, order: Order):
    render = request(order)
    craftkit.run()
    erase(order)
    settle(craftkit)
    again = request(order)
    assert (again.pk, again.erased_at is not None, again.data) == (render.pk, True, None)
    assert request(None).pk == render.pk
    craftkit.run()
    assert len(craftkit.renders) == 1
    with pytest.raises(KeyConflict):
        Render.objects.request("contract", {}, key=f"invoice for {ADDRESS}")


def test_one_that_was_never_made_is_not_made_by_its_key(craftkit: Kit, order: Order):
    render = request(order)
    erase(order)
    assert request(order).pk == render.pk
    craftkit.run()
    assert request(order, wait=True).status == "cancelled"
    assert craftkit.renders == []


def test_an_event_of_the_same_key_makes_no_other(
    craftkit: Kit, order: Order, event: Signal, declare: Any
):
    @declare(event, template="invoice", key=lambda order: f"invoice-{ADDRESS}")
    def invoice(order: Order, **kwargs: object) -> dict[str, str]:
        return {"email": ADDRESS}

    event.send(Order, instance=order)
    craftkit.run()
    erase(order)
    for _ in range(2):
        event.send(Order, instance=order)
        settle(craftkit)
    assert Render.objects.count() == len(craftkit.renders) == 1
    assert places() == []


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_an_erased_document_goes_to_nobody(craftkit: Kit, order: Order, status: str):
    if status == "failed":
        craftkit.sandbox.faults.add("render_failed", message=NAME)
    render = request(order)
    craftkit.run()
    erase(order)
    render.refresh_from_db()
    assert render.status == status
    assert not render.is_retriable
    if status == "failed":
        with pytest.raises(RenderWithdrawn):
            render.retry()
        assert Render.objects.retry_all([render.pk], user=None) == set()
    for act in (
        lambda: render.share(),
        lambda: render.email(ADDRESS),
        lambda: render.send_for_signature([ADA], anchor_tags=TAGS),
    ):
        with pytest.raises(RenderWithdrawn):
            act()
    with pytest.raises(FileNotFoundError):
        render.open()


def test_receivers_are_told_of_a_skeleton(craftkit: Kit, order: Order):
    told: list[Any] = []

    def listen(sender: Any, instance: Render, **kwargs: Any) -> None:
        told.append((instance.pk, instance.key, instance.data, instance.erased_at is not None))

    with connected(listen, render_withdrawn):
        render = request(order)
        erase(order)
        craftkit.run()
    assert told == [(render.pk, "", None, True)]


# By address.


def others(craftkit: Kit) -> Render:
    """A document about something else, of which something went to her, and to others."""
    render = Render.objects.request("invoice", {"number": "1"}, key="other")
    craftkit.run()
    render.email(ADDRESS.upper(), recipient_name=NAME)
    render.email("bob@example.com", message="Dear Bob")
    share = render.share(channel="email", recipient_email=ADDRESS)
    render.send_for_signature([ADA, BOB], anchor_tags=TAGS)
    render.send_for_signature([BOB], anchor_tags=TAGS)
    craftkit.run()
    craftkit.open(share, ip=ADDRESS_OF_NET)
    craftkit.run()
    return render


def test_by_address_what_went_to_her_is_erased_and_nothing_else(craftkit: Kit, settings):
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "ENGAGEMENT_STORE_IP": "full",
        "DELIVERY_KEEP_DAYS": None,
    }
    render = others(craftkit)
    erasure = Render.objects.none().erase(addresses=[f" {ADDRESS} "])
    assert {name: len(pks) for name, pks in erasure.erased.items() if pks} == {
        "Share": 2,
        "SignatureRequest": 1,
    }
    assert erasure.mentioned_in == [render.pk]
    settle(craftkit, but=(Job.Kind.POLL_SIGNATURES,))
    assert places() == []
    render.refresh_from_db()
    assert (render.erased_at, render.withdrawn_at, render.key) == (None, None, "other")
    assert render.shares.get(erased_at=None).recipient_email == "bob@example.com"
    assert sorted(share.revoked for share in craftkit.shares) == [False, True, True]
    kept = SignatureRecipient.objects.exclude(email="").values_list("email", flat=True)
    assert list(kept) == ["bob@example.com"] * 2
    assert sorted(one.status for one in craftkit.signatures) == ["cancelled", "sent"]


def test_the_same_mail_is_not_sent_again(craftkit: Kit):
    render = others(craftkit)
    mails = len(craftkit.mails)
    Render.objects.none().erase(addresses=[ADDRESS])
    assert render.email(ADDRESS, recipient_name=NAME).erased_at is not None
    asked = render.send_for_signature([ADA, BOB], anchor_tags=TAGS)
    assert asked.erased_at is not None
    assert not asked.retry()
    craftkit.run()
    assert (len(craftkit.mails), len(craftkit.signatures)) == (mails, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ending", "ask"),
    [
        ("/shares", lambda render: render.share(channel="email", recipient_email=ADDRESS)),
        ("/email", lambda render: render.email(ADDRESS)),
        ("/signatures", lambda render: render.send_for_signature([ADA], anchor_tags=TAGS)),
    ],
)
def test_what_is_just_being_sent_to_her_is_closed_and_erased_by_the_next_call(
    craftkit: Kit, ready: Render, monkeypatch: pytest.MonkeyPatch, ending: str, ask: Any
):
    row, found = ask(ready), []
    act = lambda: found.append(Render.objects.none().erase(addresses=[ADDRESS]))  # noqa: E731
    before_sending(monkeypatch, ending, act)
    work()
    assert found[0].under_way == {type(row).__name__: [row.pk]}
    assert not found[0].is_complete
    settle(craftkit)
    row.refresh_from_db()
    assert row.status in ("revoked", "cancelled")
    assert Render.objects.none().erase(addresses=[ADDRESS]).is_complete
    settle(craftkit)
    assert places() == []


def test_only_of_one_project(craftkit: Kit, ready: Render):
    ready.email(ADDRESS)
    other = Render.objects.none().erase(addresses=[ADDRESS], project="default", dry_run=True)
    assert other.counts["Share"] == 1
    Share.objects.update(project="eu")
    assert not Render.objects.none().erase(addresses=[ADDRESS], project="default").counts


@pytest.mark.parametrize(
    ("addresses", "error"),
    [(ADDRESS, TypeError), ([None], TypeError), ([""], ValueError), ([NAME], ValueError)],
)
def test_what_is_no_address_erases_nothing(addresses: Any, error: type[Exception]):
    with pytest.raises(error):
        Render.objects.all().erase(addresses=addresses)


def test_webhooks_that_are_linked_to_nothing_are_read(craftkit: Kit, order: Order):
    rows = []
    for status in ("ignored", "abandoned", "received"):
        body = f'{{"event": "form.submitted", "email": "{ADDRESS.upper()}"}}'.encode()
        rows.append(
            WebhookDelivery.objects.create(
                project="default", delivery_id=uuid.uuid4(), body=body, body_hash="0", status=status
            )
        )
    erasure = Render.objects.none().erase(addresses=[ADDRESS])
    assert erasure.counts["WebhookDelivery"] == 2
    kept = WebhookDelivery.objects.exclude(body=b"").values_list("status", flat=True)
    assert list(kept) == ["received"]


# Files.


def archived(craftkit: Kit, order: Order, settings: Any) -> Render:
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    render = request(order)
    craftkit.run()
    asked = render.send_for_signature([ADA], anchor_tags=TAGS)
    craftkit.run()
    craftkit.sign(asked)
    settle(craftkit)
    assert ArchivedFile.objects.count() == 3
    return render


def kept_files() -> list[str]:
    names = ArchivedFile.objects.exclude(name="").order_by("kind").values_list("kind", flat=True)
    return list(names)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_papers")
def test_signed_files_stay_unless_it_is_said(craftkit: Kit, order: Order, settings):
    render = archived(craftkit, order, settings)
    erasure = erase(order)
    assert kept_files() == ["certificate", "signed"]
    assert len(erasure.kept_files) == 2
    assert len(files()) == 2
    asked = SignatureRequest.objects.get()
    assert asked.open_signed().read()
    again = Render.objects.filter(pk=render.pk).erase(archive=True)
    assert (again.kept_files, again.counts["ArchivedFile"]) == ([], 2)
    assert kept_files() == []
    assert files() == []
    with pytest.raises(FileNotFoundError):
        asked.open_signed()
    settle(craftkit)
    assert kept_files() == [], "nothing is fetched again"
    assert not Job.objects.exclude(kind=Job.Kind.POLL_SIGNATURES).exists()
