"""One envelope for one wish, whatever goes wrong, followed to the end that Craftkit tells of."""

from __future__ import annotations

import contextlib
import itertools
import json
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from django_craftkit import clock
from django_craftkit.models import (
    ArchivedFile,
    Change,
    Job,
    KeyConflict,
    ProjectState,
    Render,
    RenderWithdrawn,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.signature import KIND, SEND
from django_craftkit.reconcile.signatures import facts as signatures
from django_craftkit.reconcile.signatures.send import wire_key
from django_craftkit.sandbox.signatures import as_json
from django_craftkit.signals import SIGNALS, render_succeeded, signature_signed
from django_craftkit.signing import AnchorTag, InvalidSignatureRequest, Recipient, SignatureField
from tests.helpers import LEASE_OVER, Killed, at_once, elsewhere, killed, work
from tests.reconcile.test_renders import TROUBLE
from tests.seams import (
    after_sending,
    before_marking_as_sent,
    before_sending,
    process_webhooks,
    take_step,
)

GUEST = Recipient("Ελένη", "Παπαδοπούλου", "eleni@example.com")
SKIPPER = Recipient("José", "Núñez", "jose@example.com")
TAGS = [AnchorTag("{{sign_here}}", "signature", recipient=0)]

POST = {"method": "POST", "path": "/v1/signatures"}
LIST = {"method": "GET", "path": "/v1/signatures"}
GET = {"method": "GET", "path": "/v1/signatures/*"}
CANCEL = {"method": "POST", "path": "/v1/signatures/*/cancel"}


def send(render: Render, *people: Recipient, **more: object) -> SignatureRequest:
    people = people or (GUEST, SKIPPER)
    more = {"anchor_tags": TAGS, "name": "Charter", **more}
    return render.send_for_signature(people, **more)


def calls(craftkit, method: str, ending: str) -> int:
    return sum(
        call.method == method and call.path.endswith(ending) for call in craftkit.sandbox.requests
    )


def posts(craftkit) -> int:
    return calls(craftkit, "POST", "/signatures")


def until(craftkit, request: SignatureRequest, status: str, *, minutes: float = 30) -> None:
    """Let time pass until a request is in a status."""
    left = minutes * 60
    while True:
        craftkit.run()
        request.refresh_from_db()
        if request.status == status:
            return
        assert left > 0, f"After {minutes} minutes it is {request.status}: {request.error}"
        left -= pass_time(craftkit)


def pass_time(craftkit) -> float:
    """Let time pass until something more is due; return how many seconds."""
    now = clock.now()
    waiting = [
        *Job.objects.values_list("due_at", flat=True),
        *Job.objects.values_list("leased_until", flat=True),
        *WebhookDelivery.objects.values_list("due_at", flat=True),
        *ProjectState.objects.values_list("probe_at", flat=True),
    ]
    seconds = [(moment - now).total_seconds() for moment in waiting if moment]
    told = craftkit.sandbox.state.outbox.next_due()
    seconds += [] if told is None else [told - craftkit._timestamp()]
    delay = min((left for left in seconds if left > 0), default=60.0) + 0.1
    craftkit.pass_time(delay)
    return delay


def settle(craftkit, *, minutes: float = 30) -> None:
    """Let time pass until nothing is left to do; fail if something still is."""
    left = minutes * 60
    while True:
        craftkit.run()
        if not Job.objects.exists():
            return
        assert left > 0, list(Job.objects.values("kind", "error", "failures", "due_at"))
        left -= pass_time(craftkit)


def calls_within(craftkit, hours: float) -> int:
    """Return how many calls are made while so much time passes."""
    before, left = len(craftkit.sandbox.requests), hours * 3600
    while left > 0:
        craftkit.run()
        left -= pass_time(craftkit)
    return len(craftkit.sandbox.requests) - before


def history(request: SignatureRequest) -> list[str]:
    changes = Change.objects.filter(kind="signature", object_id=request.pk).order_by("pk")
    return list(changes.values_list("to_status", flat=True))


def answer(craftkit, there, **odd: object) -> dict[str, object]:
    """Return Craftkit's answer about a request, with something else in it."""
    return {"status": 200, "body": json.dumps({**as_json(craftkit.sandbox.state, there), **odd})}


def tell(event: str, request: SignatureRequest, name: str = "", **said: object) -> None:
    """Have a webhook come in."""
    body = {
        "event": f"signature.{event}",
        "signatureRequestId": str(request.remote_id),
        "renderId": str(request.render.remote_id),
        **said,
    }
    WebhookDelivery.objects.store("default", name or str(uuid.uuid4()), json.dumps(body).encode())


@pytest.fixture
def silent(craftkit) -> None:
    """No webhook ever comes."""
    craftkit.sandbox.faults.add("webhook_dropped", times=None)


@pytest.fixture
def sent(craftkit, ready) -> SignatureRequest:
    """A request that both people have got and nobody has opened."""
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    return request


@pytest.fixture
def there(craftkit, sent):
    """The same, at Craftkit."""
    (there,) = craftkit.sandbox.signatures
    return there


@pytest.fixture
def heard():
    """What receivers hear: which signal, about whom or in which status, and from which."""
    said = []

    def listener(name):
        def listen(sender, instance, previous_status, change, **kwargs):
            assert type(instance) is sender
            is_person = isinstance(instance, SignatureRecipient)
            said.append((name, instance.email if is_person else change.to_status, previous_status))

        return listen

    names = [name for name in SIGNALS if name.startswith("signature_")]
    listeners = {name: listener(name.removeprefix("signature_")) for name in names}
    for name, listen in listeners.items():
        SIGNALS[name].connect(listen)
    yield said
    for name, listen in listeners.items():
        SIGNALS[name].disconnect(listen)


# Asked for.


def test_it_is_sent_signed_and_kept(craftkit, ready):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "sent"
    (there,) = craftkit.sandbox.signatures
    for person in (GUEST, SKIPPER):
        craftkit.sandbox.sign(there.id, person.email)
    settle(craftkit)
    request.refresh_from_db()
    assert request.status == "completed"
    assert abs(request.completed_at.timestamp() - there.completed_at) < 0.001
    assert ArchivedFile.objects.count() == 2
    with request.open_signed() as pdf:
        assert pdf.read(5) == b"%PDF-"
    way = ["sent", "viewed", "signed", "signed", "completed", "archived"]
    assert history(request) == way


def test_what_craftkit_gets_is_what_was_asked_for(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    request = ready.send_for_signature(
        [
            Recipient("Ада", "", "ada@example.com", order=2),
            Recipient("王", "小明 🖋", "wang@example.com", designation="Approver", order=1),
            Recipient('  O\'Neill, "J"', "<b>&</b>", "CC@Example.com", designation="CC", order=3),
        ],
        fields=[SignatureField("date", recipient=0, page=2, x=1.5, y=99, width=10, required=True)],
        anchor_tags=[AnchorTag("{{hier}}", "initials", recipient=0, ignore_if_not_present=True)],
        name="Ναύλωση — BK-12345",
        expires_in=timedelta(hours=70, minutes=1),
        user=person,
    )
    craftkit.run()
    request.refresh_from_db()
    (there,) = craftkit.sandbox.signatures
    assert (there.name, there.expiration_hours) == ("Ναύλωση — BK-12345", 71)
    assert [(one.first_name, one.last_name or "", one.email) for one in there.recipients] == [
        ("Ада", "", "ada@example.com"),
        ("王", "小明 🖋", "wang@example.com"),
        ('  O\'Neill, "J"', "<b>&</b>", "CC@Example.com"),
    ]
    assert [(one.designation, one.order) for one in there.recipients] == [
        ("Signer", 2),
        ("Approver", 1),
        ("CC", 3),
    ]
    assert (len(there.fields), len(there.anchor_tags)) == (1, 1)
    assert there.render.id == str(ready.remote_id)
    assert request.requested_by == person
    assert [row.remote_id for row in request.recipients.order_by("position")] == [
        one.id for one in there.recipients
    ]
    assert request.recipients.count() == 3
    assert request.expires_at.timestamp() == pytest.approx(there.expires_at, abs=0.001)


def test_it_waits_for_its_document_and_goes_out_when_that_is_ready(craftkit):
    craftkit.sandbox.render_time = 60.0
    request = send(Render.objects.request("invoice", {}))
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, posts(craftkit)) == ("pending", 0)
    craftkit.pass_time(61)
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, len(craftkit.sandbox.signatures)) == ("sent", 1)


@pytest.mark.parametrize("asked", ["before", "after"])
def test_it_is_rejected_where_its_document_fails_and_goes_out_by_a_retry(craftkit, asked):
    craftkit.sandbox.faults.add("render_failed", message="No ink.")
    render = Render.objects.request("invoice", {})
    if asked == "after":
        craftkit.run()
    request = send(render)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", "render_failed")
    assert "No ink." in request.error
    assert posts(craftkit) == 0

    assert request.retry()
    settle(craftkit)
    request.refresh_from_db()
    assert request.error_code == "render_failed", "its document is as it was"

    render.refresh_from_db()
    render.retry()
    assert request.retry()
    assert not request.retry(), "a double click is one"
    until(craftkit, request, "sent")
    assert (request.error, request.attempt) == ("", 3)
    assert (len(craftkit.sandbox.signatures), craftkit.sandbox.billed_signatures) == (1, 1)


def test_nothing_is_left_of_one_that_was_asked_for_in_a_transaction_rolled_back(craftkit, ready):
    with contextlib.suppress(LookupError), transaction.atomic():
        send(ready)
        raise LookupError
    craftkit.run()
    assert not SignatureRequest.objects.exists()
    assert not SignatureRecipient.objects.exists()
    assert not Job.objects.exists()
    assert posts(craftkit) == 0


def test_a_double_click_is_one_envelope(craftkit, ready):
    first = send(ready)
    assert send(ready) == first, "before it is out"
    craftkit.run()
    assert send(ready) == first, "and after that"
    loud = Recipient(GUEST.first_name, GUEST.last_name, "ELENI@example.com")
    assert send(ready, loud, SKIPPER) == first, "as typed"
    craftkit.run()
    assert SignatureRecipient.objects.count() == 2
    assert (len(craftkit.sandbox.signatures), craftkit.sandbox.billed_signatures) == (1, 1)


def test_other_people_or_another_name_are_another_envelope(craftkit, ready):
    requests = {
        send(ready).pk,
        send(ready, GUEST).pk,
        send(ready, SKIPPER, GUEST).pk,
        send(ready, name="Insurance").pk,
        send(ready, key="again").pk,
    }
    craftkit.run()
    assert len(requests) == len(craftkit.sandbox.signatures) == 5


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wait", [0, 2], ids=["later", "at once"])
def test_several_that_ask_at_the_same_time_get_one_envelope(craftkit, ready, wait):
    errors = at_once(*[lambda: send(Render.objects.get(pk=ready.pk), wait=wait)] * 4)
    assert errors == [None] * 4
    craftkit.run()
    request = SignatureRequest.objects.get()
    assert request.status == "sent"
    assert request.recipients.count() == 2
    assert (len(craftkit.sandbox.signatures), craftkit.sandbox.billed_signatures) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_several_that_ask_different_people_under_one_key_get_one_envelope_for_the_first(
    craftkit, ready
):
    people = [Recipient("A", "", f"{letter}@example.com") for letter in "abcd"]
    asks = [
        lambda one=one: send(Render.objects.get(pk=ready.pk), one, key="bk-1") for one in people
    ]
    errors = at_once(*asks)
    assert sorted(type(error).__name__ for error in errors) == ["KeyConflict"] * 3 + ["NoneType"]
    craftkit.run()
    request = SignatureRequest.objects.get()
    assert request.recipients.get().email == people[errors.index(None)].email
    assert len(craftkit.sandbox.signatures) == 1


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_is_called_again_asks_for_one_envelope(craftkit):
    asked = []

    def receiver(instance, **kwargs):
        asked.append(send(instance))
        if len(asked) < 3:
            raise LookupError("the mail server of this site is away")

    render_succeeded.connect(receiver)
    try:
        Render.objects.request("invoice", {})
        for _ in range(6):
            craftkit.run()
            craftkit.pass_time(30)
    finally:
        render_succeeded.disconnect(receiver)
    assert (len(asked), len(set(asked))) == (3, 1)
    assert craftkit.sandbox.billed_signatures == 1


@pytest.mark.parametrize(
    "other",
    [
        {"people": [GUEST]},
        {"people": [SKIPPER, GUEST]},
        {"name": "Insurance"},
        {"anchor_tags": [AnchorTag("{{here}}", "signature")]},
        {"fields": [SignatureField("signature", x=1, y=1)]},
    ],
    ids=["fewer people", "another order", "another name", "another tag", "one more place"],
)
def test_a_key_stands_for_one_wish_only(craftkit, ready, other):
    request = send(ready, key="bk-1")
    people = other.pop("people", [])
    with transaction.atomic(), pytest.raises(KeyConflict, match="bk-1"):
        send(ready, *people, key="bk-1", **other)
    assert SignatureRequest.objects.get() == request, "and the transaction goes on"
    craftkit.run()
    with pytest.raises(KeyConflict):
        send(ready, *people, key="bk-1", **other)
    assert len(craftkit.sandbox.signatures) == 1


@pytest.mark.parametrize(
    ("field", "people", "more"),
    [
        ("recipients", [], {}),
        ("recipients", [GUEST] * 21, {}),
        ("recipients[1].first_name", [GUEST, Recipient(" ", "", "a@example.com")], {}),
        ("recipients[0].first_name", [Recipient("a\0", "", "a@example.com")], {}),
        ("recipients[0].last_name", [Recipient("A", "x" * 101, "a@example.com")], {}),
        ("recipients[0].email", [Recipient("A", "", "a at example.com")], {}),
        ("recipients[0].email", [Recipient("A", "", "A <a@example.com>")], {}),
        ("recipients[0].designation", [Recipient("A", "", "a@b.example", designation="Boss")], {}),
        ("recipients[0].order", [Recipient("A", "", "a@b.example", order=2)], {}),
        ("fields", [GUEST], {"anchor_tags": []}),
        ("fields[0].x", [GUEST], {"fields": [SignatureField("date", x=float("nan"), y=1)]}),
        (
            "anchor_tags[0].recipient",
            [GUEST],
            {"anchor_tags": [AnchorTag("a", "date", recipient=1)]},
        ),
        ("anchor_tags", [GUEST], {"anchor_tags": TAGS * 201}),
        ("name", [GUEST], {"name": "x" * 256}),
        ("name", [GUEST], {"name": "half \ud800"}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(0)}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(days=-1)}),
        ("expires_in_hours", [GUEST], {"expires_in": timedelta(days=366)}),
    ],
)
def test_what_craftkit_would_refuse_is_refused_before_the_first_query(
    craftkit, ready, django_assert_num_queries, field, people, more
):
    with django_assert_num_queries(0), pytest.raises(InvalidSignatureRequest) as refused:
        ready.send_for_signature(people, **{"anchor_tags": TAGS, **more})
    assert refused.value.field == field


def test_a_time_to_sign_is_a_timedelta(craftkit, ready, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(TypeError, match="expires_in"):
        send(ready, expires_in=5)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "nul \0"])
def test_a_key_that_is_none_is_refused_before_the_first_query(
    craftkit, ready, django_assert_num_queries, key
):
    with django_assert_num_queries(0), pytest.raises(ValueError, match="key"):
        send(ready, key=key)


def test_no_name_is_no_name(craftkit, ready):
    """Craftkit makes one of the document's id."""
    requests = {send(ready, name=name) for name in ("", None)}
    craftkit.run()
    (request,) = requests
    request.refresh_from_db()
    assert request.status == "sent"
    assert craftkit.sandbox.signatures[0].name.startswith("Signature request ")


def test_who_asks_in_vain_for_a_withdrawn_document_can_go_on(craftkit, ready):
    ready.withdraw()
    with transaction.atomic():
        with pytest.raises(RenderWithdrawn):
            send(ready)
        assert not SignatureRequest.objects.exists()


def test_one_that_is_waited_for_is_out_when_it_returns(craftkit):
    craftkit.sandbox.render_time = 0.0
    request = send(Render.objects.request("invoice", {}), wait=5)
    assert request.status == "sent"
    assert request.cancel(wait=5)
    assert request.status == "cancelled"
    assert craftkit.sandbox.signatures[0].status == "cancelled"
    failed = Render.objects.request("invoice", {}, key="fails")
    craftkit.sandbox.faults.add("render_failed")
    assert send(failed, wait=5).status == "rejected"


# Sent once.

WORSE = {
    **TROUBLE,
    "401": {"kind": "status", "status": 401, "code": "unauthorized"},
    "no provider": {"kind": "status", "status": 503, "code": "signatures_unavailable"},
    "502": {"kind": "status", "status": 502, "code": "signature_provider_error"},
    "502 after the fact": {
        "kind": "status",
        "status": 502,
        "code": "signature_provider_error",
        "handled": True,
    },
    "the provider refuses": {"kind": "signature_send_failed"},
    "half an answer": {"kind": "truncated"},
    **{
        f"a proxy's {status}": {"kind": "garbage", "status": status}
        for status in (404, 408, 421, 425)
    },
}


@pytest.mark.parametrize("trouble", WORSE.values(), ids=WORSE)
def test_one_envelope_whatever_goes_wrong(craftkit, ready, trouble):
    where = {} if trouble["kind"] == "signature_send_failed" else POST
    craftkit.sandbox.faults.add(**{"times": 2, **trouble, **where})
    request = send(ready)
    until(craftkit, request, "sent")
    (there,) = craftkit.sandbox.signatures
    assert (str(request.remote_id), request.error, request.error_code) == (there.id, "", "")
    assert craftkit.sandbox.billed_signatures == 1
    assert len(craftkit.sandbox.signature_mails) == 2
    assert not ProjectState.objects.paused().exists()
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, request, "completed")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (400, "invalid_json"),
        (404, "not_found"),
        (409, "conflict"),
        (413, "document_too_large"),
        (422, "invalid_request"),
        (422, "x" * 80),
    ],
)
def test_what_craftkit_refuses_is_rejected_in_its_words_and_goes_out_by_a_retry(
    craftkit, ready, heard, status, code
):
    said = {"code": code, "message": "No \0 such thing.", "issues": {"fieldErrors": {"a": ["b"]}}}
    craftkit.sandbox.faults.add("status", status=status, body=json.dumps({"error": said}), **POST)
    request = send(ready)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error_code) == ("rejected", code[:64])
    assert request.error.split() == ["No", "such", "thing."]
    assert request.field_errors == ({} if status in (404, 409) else {"a": ["b"]})
    assert craftkit.sandbox.billed_signatures == 0
    assert (request.is_retriable, request.is_cancellable, request.cancel()) == (True, False, False)

    assert request.retry()
    until(craftkit, request, "sent")
    assert (request.error, request.error_code, request.field_errors) == ("", "", {})
    assert craftkit.sandbox.billed_signatures == 1
    assert heard == [("rejected", "rejected", "pending"), ("sent", "sent", "pending")]


def test_a_retry_goes_out_under_another_key(craftkit, ready):
    request = send(ready)
    keys = {wire_key(request)}
    request.attempt = 2
    keys |= {wire_key(request), wire_key(send(ready, GUEST)), wire_key(send(ready, key="a"))}
    assert {len(key) for key in keys} == {64}
    assert len(keys) == 4


def test_a_lost_answer_is_fetched_with_the_same_key(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    request = send(ready)
    work()
    request.refresh_from_db()
    assert (request.status, request.sent_at is None) == ("pending", False)
    until(craftkit, request, "sent")
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (2, 1)
    assert history(request) == ["sent"]


def test_what_was_made_is_read_back_where_the_call_made_again_is_refused(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", **POST)
    request = send(ready)
    until(craftkit, request, "sent")
    (there,) = craftkit.sandbox.signatures
    assert (str(request.remote_id), request.error) == (there.id, "")
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (2, 1)
    assert history(request) == ["sent"]
    assert Change.objects.get(to_status="sent").cause == "read back"


def test_a_call_made_again_that_is_refused_ends_what_never_got_there(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_before", **POST)
    craftkit.sandbox.faults.add("status", status=409, code="conflict", **POST)
    request = send(ready)
    until(craftkit, request, "rejected")
    assert (request.error_code, craftkit.sandbox.signatures) == ("conflict", [])


@pytest.mark.django_db(transaction=True)
def test_one_that_two_workers_send_is_one_envelope(craftkit, ready, monkeypatch):
    request = send(ready)

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)

    before_sending(monkeypatch, "/signatures", take_over)
    work()
    until(craftkit, request, "sent")
    assert (posts(craftkit), craftkit.sandbox.billed_signatures) == (2, 1)
    assert history(request) == ["sent"]


@pytest.mark.parametrize("when", [before_sending, after_sending])
def test_a_worker_that_dies_while_it_sends_leaves_one_envelope(craftkit, ready, monkeypatch, when):
    request = send(ready)
    when(monkeypatch, "/signatures", killed)
    with pytest.raises(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    until(craftkit, request, "sent")
    assert craftkit.sandbox.billed_signatures == 1


def test_a_key_that_another_database_has_used_is_said_so_and_nothing_is_taken_for_ours(
    craftkit, ready, dashboard
):
    request = send(ready)
    made = dashboard.signatures.create(
        ready.remote_id, [GUEST], anchor_tags=TAGS, idempotency_key=wire_key(request)
    )
    craftkit.pass_time(3600)
    until(craftkit, request, "rejected")
    assert (request.error_code, request.remote_id) == ("key_used_elsewhere", None)
    assert f"{made.created_at:%Y-%m-%d %H:%M}" in request.error
    request.retry()
    until(craftkit, request, "sent")
    assert request.remote_id != made.id


# What pauses.


@pytest.mark.parametrize("lack", ["credits", "provider"])
def test_a_lack_of_signatures_pauses_new_ones_and_nothing_else(craftkit, ready, lack):
    """What is out is followed and cancelled, documents and links are made."""
    old, other = send(ready, key="old"), send(ready, key="other")
    craftkit.run()
    if lack == "credits":
        craftkit.sandbox.signature_credits = 0
    else:
        craftkit.sandbox.project("default").signatures_configured = False
    waiting = [send(ready, key=str(number)) for number in range(4)]
    craftkit.run()
    (state,) = ProjectState.objects.paused()
    assert (state.capability, state.pause_code) == (
        "signatures",
        "signature_credits_exhausted" if lack == "credits" else "signatures_unavailable",
    )
    tried = posts(craftkit)

    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(old)].id)
    other.cancel()
    render = Render.objects.request("invoice", {}, key="i-2")
    share = ready.share()
    until(craftkit, old, "completed", minutes=20)
    for row, status in [(other, "cancelled"), (render, "succeeded"), (share, "active")]:
        row.refresh_from_db()
        assert row.status == status
    assert posts(craftkit) - tried < 30, "one probe a minute"
    assert {SignatureRequest.objects.get(pk=row.pk).status for row in waiting} == {"pending"}

    craftkit.sandbox.signature_credits = None
    craftkit.sandbox.project("default").signatures_configured = True
    assert state.try_again()
    craftkit.run()
    assert {SignatureRequest.objects.get(pk=row.pk).status for row in waiting} == {"sent"}
    assert craftkit.sandbox.billed_signatures == 6
    assert not ProjectState.objects.paused().exists()


@pytest.mark.parametrize(
    ("status", "code"), [(402, "signature_credits_exhausted"), (503, "signatures_unavailable")]
)
def test_a_lack_that_is_told_of_one_that_is_out_pauses_nothing(
    craftkit, sent, there, silent, status, code
):
    """Documents have nothing to do with it, and it is followed and cancelled in the end."""
    trouble = {"status": status, "code": code, "path": "/v1/signatures*", "times": 2}
    craftkit.sandbox.faults.add("status", **trouble, method="GET")
    craftkit.pass_time(1000)
    craftkit.run()
    craftkit.sandbox.faults.add("status", **trouble, method="POST")
    sent.cancel()
    craftkit.run()
    assert not ProjectState.objects.paused().exists()
    render = Render.objects.request("invoice", {}, key="i-2")
    until(craftkit, render, "succeeded")
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_credits_that_are_enough_for_some_are_used_up_and_the_rest_waits(craftkit, ready):
    craftkit.sandbox.signature_credits = 2
    asked = [send(ready, key=str(number)) for number in range(5)]
    craftkit.run()
    assert SignatureRequest.objects.filter(status="sent").count() == 2
    craftkit.sandbox.signature_credits = 10
    craftkit.pass_time(60)
    craftkit.run()
    assert SignatureRequest.objects.filter(status="sent").count() == len(asked)
    assert craftkit.sandbox.billed_signatures == 5


def test_one_that_waits_for_credits_can_be_taken_back_meanwhile(craftkit, ready):
    craftkit.sandbox.signature_credits = 0
    request = send(ready)
    craftkit.run()
    assert request.cancel(reason="No need.")
    until(craftkit, request, "cancelled")
    craftkit.sandbox.signature_credits = None
    settle(craftkit)
    assert craftkit.sandbox.signatures == []


def test_one_that_is_taken_back_does_not_wait_for_the_credits_of_another(craftkit, ready):
    craftkit.sandbox.signature_credits = 0
    unwanted, wanted = send(ready, key="unwanted"), send(ready, key="wanted")
    for _ in range(6):
        craftkit.pass_time(60)
        work()
    unwanted.cancel()
    until(craftkit, unwanted, "cancelled", minutes=3)
    wanted.refresh_from_db()
    assert wanted.status == "pending"
    craftkit.sandbox.signature_credits = None
    until(craftkit, wanted, "sent")
    assert craftkit.sandbox.billed_signatures == 1


# Followed.

ORDER = ["sent", "viewed", "signed", "signed", "completed"]
SIGNED = [
    ("sent", "sent", "pending"),
    ("viewed", "viewed", "sent"),
    ("signed", GUEST.email, ""),
    ("signed", SKIPPER.email, ""),
    ("completed", "completed", "viewed"),
]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "webhook_dropped"},
        {"kind": "webhook_doubled"},
        {"kind": "webhook_reordered"},
        {"kind": "webhook_delayed", "seconds": 900},
        {"kind": "webhook_delayed", "seconds": 86_000},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_each_stage_is_told_once_and_in_order_however_webhooks_come(craftkit, ready, heard, fault):
    craftkit.sandbox.faults.add(event="signature.*", times=None, **fault)
    request = send(ready)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    for person in (GUEST, SKIPPER):
        craftkit.pass_time(30)
        craftkit.sandbox.sign(there.id, person.email)
    until(craftkit, request, "completed")
    craftkit.pass_time(86_400)
    settle(craftkit)
    assert heard == SIGNED
    assert history(request) == [*ORDER, "archived"]
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"processed"}


def test_each_person_who_signs_is_told_of_when_it_happens(craftkit, sent, there, heard):
    craftkit.sandbox.sign(there.id, SKIPPER.email)
    craftkit.run()
    assert heard[1:] == [("signed", SKIPPER.email, "")]
    guest, skipper = sent.recipients.order_by("position")
    assert (guest.signed_at, guest.declined_at, skipper.declined_at) == (None, None, None)
    assert abs(skipper.signed_at.timestamp() - there.recipients[1].signed_at) < 0.001
    sent.refresh_from_db()
    assert sent.status == "viewed"
    change = Change.objects.get(to_status="signed")
    assert (change.recipient, change.from_status) == (skipper, "")


def test_people_who_signed_while_nobody_looked_are_told_of_by_when_they_did(
    craftkit, ready, heard, silent
):
    request = send(ready)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    for person in (SKIPPER, GUEST):
        craftkit.pass_time(10)
        craftkit.sandbox.sign(there.id, person.email)
    until(craftkit, request, "completed")
    assert [about for name, about, _ in heard if name == "signed"] == [SKIPPER.email, GUEST.email]
    assert [name for name, *_ in heard] == ORDER


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["viewed", "signed", "completed"])), ids=" ".join
)
def test_webhooks_in_any_order_and_doubled_lead_to_the_same_end(craftkit, ready, order, silent):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign_all(there.id)
    for event in order:
        tell(event, request, event)
        tell(event, request, event)
        tell(event, request, f"{event} again")
        craftkit.run()
    request.refresh_from_db()
    assert request.status == "completed"
    assert history(request) == [*ORDER, "archived"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("killed_then", [False, True], ids=["goes on", "is killed"])
def test_a_webhook_that_comes_before_the_posts_answer_is_not_lost(
    craftkit, ready, monkeypatch, killed_then
):
    request = send(ready)

    def sign_at_once():
        (there,) = craftkit.sandbox.signatures
        craftkit.sandbox.sign_all(there.id)
        assert craftkit.deliver() == 5
        assert process_webhooks(clock.now()) == 5
        if killed_then:
            raise Killed

    after_sending(monkeypatch, "/signatures", sign_at_once)
    if killed_then:
        with pytest.raises(Killed):
            work()
        craftkit.pass_time(LEASE_OVER)
    craftkit.run()
    request.refresh_from_db()
    assert request.status == "completed"
    assert history(request) == [*ORDER, "archived"]
    assert craftkit.sandbox.billed_signatures == 1
    settle(craftkit)
    statuses = set(WebhookDelivery.objects.values_list("status", flat=True))
    assert statuses <= {"processed", "ignored"}


def test_a_webhook_about_a_stranger_changes_nothing(craftkit, sent, there):
    stranger = SignatureRequest(remote_id=uuid.uuid4(), render=sent.render)
    tell("completed", stranger, status="completed")
    before = SignatureRequest.objects.values().get()
    for _ in range(3):
        craftkit.run()
        craftkit.pass_time(LEASE_OVER / 3)
    assert SignatureRequest.objects.values("status", "remote_id").get() == {
        name: before[name] for name in ("status", "remote_id")
    }


def test_a_webhook_that_lies_is_asked_about_and_not_believed(craftkit, sent, there):
    for event in ("completed", "declined", "cancelled", "expired"):
        tell(event, sent, status=event, reason="So they say.")
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, history(sent)) == ("sent", ["sent"])


def test_who_declines_is_shown_with_the_reason_that_only_a_webhook_tells(
    craftkit, sent, there, heard
):
    craftkit.sandbox.decline(there.id, SKIPPER.email, "The price is wrong.")
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.answer["reason"]) == ("declined", "The price is wrong.")
    guest, skipper = sent.recipients.order_by("position")
    assert (guest.declined_at, skipper.declined_at is None) == (None, False)
    assert Change.objects.get(to_status="declined").note == "The price is wrong."
    assert [name for name, *_ in heard] == ["sent", "viewed", "declined"][1:]
    assert not Job.objects.filter(kind__contains="signature").exists()


def test_a_reason_that_craftkits_answer_tells_is_kept_too(craftkit, sent, there):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.decline(there.id, SKIPPER.email)
    there.error_message = "The price is wrong."
    until(craftkit, sent, "declined")
    assert sent.error == "The price is wrong."
    assert Change.objects.get(to_status="declined").note == "The price is wrong."


def test_a_reason_that_comes_after_the_end_is_still_kept(craftkit, sent, there):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.decline(there.id, SKIPPER.email, "The price is wrong.")
    until(craftkit, sent, "declined")
    tell("declined", sent, status="declined", reason="The price is wrong.")
    craftkit.run()
    sent.refresh_from_db()
    assert sent.answer["reason"] == "The price is wrong."
    assert not Job.objects.exists()


@pytest.mark.parametrize("by", ["webhook", "poll"])
def test_one_whose_time_is_up_has_expired(craftkit, ready, by):
    if by == "poll":
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
    request = send(ready, expires_in=timedelta(hours=2))
    craftkit.run()
    craftkit.pass_time(2 * 3600)
    until(craftkit, request, "expired")
    assert history(request) == ["sent", "expired"]
    assert not Job.objects.exists()


def test_one_that_fails_is_found_by_asking_alone(craftkit, sent, there, heard):
    craftkit.sandbox.fail_signature(there.id, "The provider lost it.")
    until(craftkit, sent, "failed", minutes=16)
    assert sent.error == "The provider lost it."
    assert heard == [("failed", "failed", "sent")]
    assert Change.objects.get(to_status="failed").cause == "poll"


def test_one_that_fails_at_once_was_sent_before(craftkit, ready, heard):
    craftkit.sandbox.faults.add("signature_failed", message="The provider lost it.")
    request = send(ready)
    until(craftkit, request, "failed")
    assert [name for name, *_ in heard] == ["sent", "failed"]
    assert not request.is_retriable, "it was billed"


def test_a_status_that_is_new_to_us_ends_nothing(craftkit, sent, there):
    for status in ("signed", "x" * 200, "nul \0", "pending"):
        tell("viewed", sent)
        odd = answer(craftkit, there, status=status)
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
        sent.refresh_from_db()
        assert sent.status == "sent"
    assert sent.answer["status"]
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, sent, "completed")


def test_a_person_whom_nobody_here_has_named_is_shown_and_told_of(craftkit, sent, there, heard):
    people = as_json(craftkit.sandbox.state, there)["recipients"]
    stranger = {
        "id": "rcp-notary",
        "firstName": "Nota\0ry",
        "lastName": None,
        "email": "notary@example.com",
        "designation": "Notary of the provider",
        "order": 3,
        "signedAt": "2026-06-05T10:00:00.000Z",
    }
    for _ in range(3):
        tell("signed", sent)
        odd = answer(craftkit, there, recipients=[*people, stranger])
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
    row = sent.recipients.get(position=2)
    assert (row.first_name, row.last_name, row.email) == ("Notary", "", "notary@example.com")
    assert row.designation == "Notary of the pr"
    assert row.signed_at is not None
    assert sent.recipients.count() == 3
    assert [event for event in heard if event[0] == "signed"] == [("signed", row.email, "")]


def test_who_listens_to_people_alone_hears_of_one_whom_nobody_here_has_named(craftkit, sent, there):
    said = []

    def listen(instance, **kwargs):
        said.append(instance.email)

    people = as_json(craftkit.sandbox.state, there)["recipients"]
    notary = {**people[0], "id": "rcp-notary", "email": "notary@example.com", "order": 3}
    notary["signedAt"] = "2026-06-05T10:00:00.000Z"
    odd = answer(craftkit, there, recipients=[*people, notary])
    craftkit.sandbox.faults.add("status", **odd, **GET)
    signature_signed.connect(listen, sender=SignatureRecipient)
    try:
        sent.refresh()
        craftkit.run()
    finally:
        signature_signed.disconnect(listen, sender=SignatureRecipient)
    assert said == ["notary@example.com"]


@pytest.mark.parametrize(
    "odd",
    [
        {"email": "no\0tary@example.com"},
        {"email": "x" * 300},
        {"email": None},
        {"email": "", "firstName": None, "lastName": None, "order": None, "designation": None},
        {"email": "half \ud800"},
        {"email": "n@example.com", "order": 10**9, "designation": "\0" * 300},
        {"email": "n@example.com", "order": 0},
        {"email": "x" * 300, "id": "x" * 300},
        {"email": "n@example.com", "id": "rcp \0"},
    ],
    ids=["NUL", "long", "null", "empty", "half", "huge", "0", "long id", "odd id"],
)
def test_a_person_of_odd_values_is_one_person_however_often_craftkit_tells(
    craftkit, sent, there, odd
):
    people = as_json(craftkit.sandbox.state, there)["recipients"]
    stranger = {"id": None, "firstName": "x" * 300, "signedAt": "2026-06-05T10:00:00.000Z", **odd}
    for _ in range(3):
        tell("signed", sent)
        told = answer(craftkit, there, recipients=[*people, stranger])
        craftkit.sandbox.faults.add("status", **told, **GET)
        craftkit.run()
    assert sent.recipients.count() == 3
    assert history(sent) == ["sent", "signed"]
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, sent, "completed")


def test_no_people_and_nulls_take_nothing_away(craftkit, sent, there):
    craftkit.sandbox.sign(there.id, GUEST.email)
    craftkit.run()
    nobody = {"firstName": None, "lastName": None, "designation": None, "order": None}
    people = [
        {**one, **nobody, "signedAt": None, "declinedAt": None}
        for one in as_json(craftkit.sandbox.state, there)["recipients"]
    ]
    before = list(SignatureRecipient.objects.values())
    for told in ([], people):
        tell("signed", sent)
        odd = answer(
            craftkit, there, recipients=told, status="sent", expirationHours=None, completedAt=None
        )
        craftkit.sandbox.faults.add("status", **odd, **GET)
        craftkit.run()
    assert list(SignatureRecipient.objects.values()) == before
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("viewed", "")


def test_two_people_with_one_address_are_two(craftkit, ready, heard):
    crew = [Recipient(name, "", "boat@example.com") for name in ("Ada", "Bob")]
    request = send(ready, *crew)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign(there.id, "boat@example.com")
    craftkit.run()
    first, second = request.recipients.order_by("position")
    assert (first.signed_at is None, second.signed_at) == (False, None)
    assert first.remote_id != second.remote_id
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, request, "completed")
    assert request.recipients.count() == 2
    assert [name for name, *_ in heard] == ORDER


@pytest.mark.parametrize(
    "odd",
    [
        {"createdAt": "0001-01-01T00:00:00.000Z"},
        {"createdAt": "9999-12-31T23:59:59.999Z"},
        {"errorMessage": "no \0 ink \ud800"},
        {"errorMessage": "x" * 100_000},
        {"more\0": ["\0", {"\ud800": 1e308}]},
        {"name": "\0" * 1000},
    ],
    ids=["first year", "last year", "odd error", "long error", "odd extra", "odd name"],
)
def test_odd_values_hold_up_neither_the_request_nor_others(craftkit, ready, odd, silent):
    other = send(ready, key="other")
    craftkit.pass_time(1)
    request = send(ready, key="odd")
    craftkit.run()
    request.refresh_from_db()
    other.refresh_from_db()
    there = {one.id: one for one in craftkit.sandbox.signatures}
    path = f"/v1/signatures/{request.remote_id}"
    told = answer(craftkit, there[str(request.remote_id)], **odd)
    craftkit.sandbox.faults.add("status", method="GET", path=path, times=3, **told)
    page = {"signatures": [json.loads(told["body"])], "nextCursor": None, "hasMore": False}
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(page), times=2, **LIST)
    for one in there:
        craftkit.sandbox.sign_all(one)
    until(craftkit, other, "completed", minutes=120)
    until(craftkit, request, "completed", minutes=120)


@pytest.mark.parametrize(
    "broken",
    ["{}", "[]", "null", '{"id": 5}', "<html>"],
    ids=["empty", "list", "null", "5", "html"],
)
def test_an_answer_that_is_none_changes_nothing_and_is_asked_for_again(
    craftkit, sent, there, broken
):
    craftkit.sandbox.faults.add("status", status=200, body=broken, times=2, **GET)
    craftkit.sandbox.sign_all(there.id)
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("sent", "")
    until(craftkit, sent, "completed", minutes=40)


def test_an_answer_about_another_request_is_not_taken_for_this_one(craftkit, sent, there):
    odd = answer(craftkit, there, id=str(uuid.uuid4()), status="completed")
    craftkit.sandbox.faults.add("status", **odd, **GET)
    tell("completed", sent)
    craftkit.run()
    sent.refresh_from_db()
    assert sent.status == "sent"


def test_no_final_status_is_left_again(craftkit, sent, there):
    craftkit.sandbox.decline(there.id, GUEST.email, "No.")
    craftkit.run()
    before = SignatureRequest.objects.values().get()
    for event in signatures.TOLD:
        tell(event, sent, status=event)
    sent.refresh()
    craftkit.run()
    after = SignatureRequest.objects.values().get()
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


# Cancelled.


def end_there(craftkit) -> list[str]:
    return [one.status for one in craftkit.sandbox.signatures]


def test_a_cancellation_is_told_to_craftkit_with_its_reason(
    craftkit, sent, there, heard, django_user_model
):
    person = django_user_model.objects.create(username="ada")
    assert sent.is_cancellable
    assert sent.cancel(reason="Other terms — νέα.", user=person)
    assert not sent.is_cancellable
    assert not sent.cancel(reason="Twice."), "a double click is one"
    craftkit.run()
    sent.refresh_from_db()
    assert (sent.status, sent.error) == ("cancelled", "Other terms — νέα.")
    assert (there.status, there.error_message) == ("cancelled", "Other terms — νέα.")
    assert calls(craftkit, "POST", "/cancel") == 1
    assert (sent.cancel_requested_by, sent.cancel_reason) == (person, "Other terms — νέα.")
    change = Change.objects.get(to_status="cancelled")
    assert (change.person, change.note) == (person, "Other terms — νέα.")
    assert heard == [("cancelled", "cancelled", "sent")]
    settle(craftkit)
    assert not sent.cancel(), "it has ended"


@pytest.mark.parametrize("reason", ["x" * 501, "nul \0", "half \ud800"])
def test_a_reason_that_craftkit_does_not_take_is_refused_here(craftkit, sent, reason):
    with pytest.raises(ValueError, match="reason"):
        sent.cancel(reason=reason)
    assert SignatureRequest.objects.get().is_cancellable


def test_a_wish_that_is_rolled_back_cancels_nothing(craftkit, sent, there):
    with contextlib.suppress(LookupError), transaction.atomic():
        sent.cancel()
        raise LookupError
    craftkit.run()
    assert there.status == "sent"
    assert SignatureRequest.objects.get().is_cancellable


def test_one_taken_back_before_it_was_sent_ends_without_a_call(craftkit, heard):
    craftkit.sandbox.render_time = 60.0
    request = send(Render.objects.request("invoice", {}))
    craftkit.run()
    assert request.cancel(reason="No need.")
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, request.error) == ("cancelled", "No need.")
    settle(craftkit)
    assert not [call for call in craftkit.sandbox.requests if "/signatures" in call.path]
    assert heard == [("cancelled", "cancelled", "pending")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", [before_sending, after_sending])
def test_one_taken_back_while_it_is_sent_is_cancelled_there(craftkit, ready, monkeypatch, when):
    request = send(ready)
    when(monkeypatch, "/signatures", lambda: elsewhere(SignatureRequest.objects.get().cancel))
    work()
    until(craftkit, request, "cancelled")
    assert end_there(craftkit) == ["cancelled"]
    assert history(request) == ["sent", "cancelled"]
    settle(craftkit)


@pytest.mark.parametrize("trouble", ["cut_after", "cut_before"])
def test_one_taken_back_after_a_lost_answer_is_looked_for_first(craftkit, ready, silent, trouble):
    craftkit.sandbox.faults.add(trouble, **POST)
    request = send(ready)
    work()
    assert request.cancel(reason="No need.")
    work()
    request.refresh_from_db()
    assert request.status == "pending", "the answer may be on its way"
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, request.error) == ("cancelled", "No need.")
    assert posts(craftkit) == 1, "it is never sent after that"
    if trouble == "cut_after":
        assert end_there(craftkit) == ["cancelled"]
        assert history(request) == ["sent", "cancelled"]
        assert Change.objects.get(to_status="sent").cause == "read back"
    else:
        assert craftkit.sandbox.signatures == []
        assert calls(craftkit, "GET", "/signatures") == 1


def test_the_envelope_of_another_is_not_taken_for_the_lost_one(craftkit, ready, silent, dashboard):
    other = send(ready, key="other")
    craftkit.run()
    dashboard.signatures.create(
        ready.remote_id, [GUEST], anchor_tags=TAGS, name="Charter", idempotency_key="a"
    )
    dashboard.signatures.create(
        ready.remote_id, [GUEST, SKIPPER], anchor_tags=TAGS, name="Other", idempotency_key="b"
    )
    craftkit.sandbox.faults.add("cut_before", **POST)
    lost = send(ready, key="lost")
    work()
    lost.cancel()
    until(craftkit, lost, "cancelled")
    assert lost.remote_id is None
    assert end_there(craftkit) == ["sent"] * 3
    other.refresh_from_db()
    assert other.status == "sent"


@pytest.mark.parametrize("trouble", ["cut_after", "cut_before"])
def test_those_listed_without_people_are_told_apart_by_asking_for_each(
    craftkit, ready, silent, dashboard, trouble
):
    craftkit.sandbox.faults.add(trouble, **POST)
    lost = send(ready, name="")
    work()
    stranger = Recipient("Other", "", "other@example.com")
    dashboard.signatures.create(
        ready.remote_id, [stranger], anchor_tags=TAGS, idempotency_key="theirs"
    )
    state = craftkit.sandbox.state
    listed = [as_json(state, one) | {"recipients": []} for one in craftkit.sandbox.signatures]
    page = {"signatures": listed, "nextCursor": None, "hasMore": False}
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(page), times=None, **LIST)
    lost.cancel()
    until(craftkit, lost, "cancelled")
    ours = {wire_key(lost): "cancelled"} if trouble == "cut_after" else {}
    there = {one.idempotency_key: one.status for one in craftkit.sandbox.signatures}
    assert there == {"theirs": "sent", **ours}


def test_a_lost_one_is_found_by_its_name_however_craftkit_writes_it(craftkit, ready, silent):
    craftkit.sandbox.faults.add("cut_after", **POST)
    lost = send(ready, name=" Cafe\u0301 ")
    work()
    (there,) = craftkit.sandbox.signatures
    there.name = "Caf\u00e9"
    lost.cancel()
    until(craftkit, lost, "cancelled")
    assert (there.status, history(lost)) == ("cancelled", ["sent", "cancelled"])


def test_of_two_lost_ones_that_are_alike_the_wanted_one_goes_on(craftkit, ready, silent):
    """Only the key tells them apart, which no list shows."""
    craftkit.sandbox.faults.add("cut_after", times=2, **POST)
    wanted = send(ready, key="wanted")
    work()
    unwanted = send(ready, key="unwanted")
    work()
    Job.objects.filter(kind="send signature").update(due_at=clock.now() + timedelta(minutes=5))
    unwanted.cancel()
    until(craftkit, unwanted, "cancelled")
    until(craftkit, wanted, "sent")
    there = {one.idempotency_key: one.status for one in craftkit.sandbox.signatures}
    assert there == {wire_key(wanted): "sent", wire_key(unwanted): "cancelled"}


def test_a_lost_one_is_found_behind_many_others_of_its_document(craftkit, ready, silent, dashboard):
    craftkit.sandbox.faults.add("cut_after", **POST)
    request = send(ready)
    work()
    for number in range(120):
        craftkit.pass_time(0.01)
        dashboard.signatures.create(
            ready.remote_id, [GUEST], anchor_tags=TAGS, idempotency_key=str(number)
        )
    request.cancel()
    until(craftkit, request, "cancelled")
    assert end_there(craftkit) == ["cancelled"] + ["sent"] * 120


@pytest.mark.django_db(transaction=True)
def test_one_whose_answer_comes_after_its_wish_was_settled_is_shown_and_cancelled_there(
    craftkit, ready, monkeypatch
):
    request = send(ready)
    seen = []

    def settle_without_it():
        SignatureRequest.objects.get().cancel()
        for _ in range(3):
            craftkit.pass_time(LEASE_OVER)
            elsewhere(work)
        seen.append(SignatureRequest.objects.get().status)

    before_sending(monkeypatch, "/signatures", settle_without_it)
    work()
    assert seen == ["cancelled"]
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, end_there(craftkit)) == ("cancelled", ["cancelled"])
    assert history(request) == ["cancelled", "sent", "cancelled"]


ENDS = {
    "completed": lambda sandbox, name: sandbox.sign_all(name),
    "declined": lambda sandbox, name: sandbox.decline(name, GUEST.email),
    "expired": lambda sandbox, name: sandbox.expire_signature(name),
    "failed": lambda sandbox, name: sandbox.fail_signature(name),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_has_come_to_its_end_meanwhile_is_read_back(craftkit, sent, there, end):
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    ENDS[end](craftkit.sandbox, there.id)
    assert sent.cancel(reason="Too late.")
    settle(craftkit)
    sent.refresh_from_db()
    assert (sent.status, end_there(craftkit)) == (end, [end])
    assert calls(craftkit, "POST", "/cancel") == 1
    assert "Too late." not in sent.error


@pytest.mark.parametrize(
    "trouble",
    [
        *TROUBLE.values(),
        {"kind": "signature_cancel_failed"},
        {"kind": "status", "status": 502, "code": "signature_provider_error", "handled": True},
        {"kind": "garbage", "status": 404},
        {"kind": "truncated"},
    ],
    ids=[*TROUBLE, "502", "502 after the fact", "a proxy's 404", "half an answer"],
)
def test_it_is_cancelled_once_whatever_goes_wrong(craftkit, sent, there, trouble):
    where = {} if trouble["kind"] == "signature_cancel_failed" else CANCEL
    craftkit.sandbox.faults.add(**{"times": 2, **trouble, **where})
    sent.cancel(reason="No need.")
    settle(craftkit)
    sent.refresh_from_db()
    assert (sent.status, sent.error, there.status) == ("cancelled", "No need.", "cancelled")
    assert history(sent) == ["sent", "cancelled"]
    assert not ProjectState.objects.paused().exists()


def test_a_conflict_about_one_that_is_open_is_tried_again(craftkit, sent, there):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=3, **CANCEL)
    sent.cancel()
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_the_cancellation_of_one_in_a_status_new_to_us_is_tried_ever_less(
    craftkit, sent, there, silent
):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=None, **CANCEL)
    odd = answer(craftkit, there, status="voided")
    craftkit.sandbox.faults.add("status", times=None, **odd, **GET)
    sent.cancel()
    assert 20 < calls_within(craftkit, 1) < 100
    craftkit.sandbox.faults.clear()
    until(craftkit, sent, "cancelled")


def test_an_answer_about_another_request_does_not_settle_a_cancellation(craftkit, sent, there):
    odd = answer(craftkit, there, id=str(uuid.uuid4()), status="cancelled")
    craftkit.sandbox.faults.add("status", times=2, **odd, **CANCEL)
    sent.cancel()
    until(craftkit, sent, "cancelled")
    assert there.status == "cancelled"


def test_a_document_that_is_withdrawn_takes_its_requests_along(craftkit, ready, django_user_model):
    person = django_user_model.objects.create(username="ada")
    out, done = send(ready, key="out"), send(ready, key="done")
    craftkit.run()
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(done)].id)
    craftkit.run()
    craftkit.sandbox.signature_credits = 0
    waits = send(ready, key="waits")
    ready.withdraw(user=person)
    craftkit.sandbox.signature_credits = None
    settle(craftkit)
    for request, status in ((out, "cancelled"), (done, "completed"), (waits, "cancelled")):
        request.refresh_from_db()
        assert request.status == status
    assert (out.cancel_requested_by, done.cancel_requested_by) == (person, None)
    assert end_there(craftkit) == ["cancelled", "completed"]


def test_one_that_was_rejected_is_not_sent_again_once_its_document_is_withdrawn(craftkit, ready):
    craftkit.sandbox.faults.add("status", status=400, code="invalid_request", **POST)
    request = send(ready)
    craftkit.run()
    ready.withdraw()
    with pytest.raises(RenderWithdrawn):
        request.retry()
    settle(craftkit)
    assert craftkit.sandbox.signatures == []


def test_a_withdrawal_in_the_last_moment_before_sending(craftkit, ready, monkeypatch):
    """It saw no row to cancel: the row was written beside it."""
    request = send(ready)

    def withdraw():
        Render.objects.filter(pk=ready.pk).update(withdrawn_at=timezone.now())

    before_marking_as_sent(monkeypatch, SignatureRequest, withdraw)
    settle(craftkit)
    request.refresh_from_db()
    assert (request.status, craftkit.sandbox.signatures) == ("cancelled", [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", range(4))
def test_a_withdrawal_at_the_same_time_leaves_no_request_open(craftkit, ready, key):
    def ask(act):
        def run():
            with contextlib.suppress(RenderWithdrawn):
                act(Render.objects.get())
            work()

        return run

    errors = at_once(
        ask(send),
        ask(lambda render: send(render, key="other", wait=2)),
        ask(lambda render: render.withdraw()),
    )
    assert errors == [None] * 3
    settle(craftkit)
    assert set(SignatureRequest.objects.values_list("status", flat=True)) <= {"cancelled"}
    assert set(end_there(craftkit)) <= {"cancelled"}


# Unknown at Craftkit.


@pytest.fixture
def unknown(craftkit, sent, there) -> SignatureRequest:
    """One that Craftkit has lost: the answers about it are 404, and no page has it."""
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **GET)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **CANCEL)
    craftkit.pass_time(1000)
    craftkit.run()
    sent.refresh_from_db()
    return sent


def hours(craftkit, count: int) -> None:
    for _ in range(2 * count):
        craftkit.pass_time(1800)
        craftkit.run()


def test_one_that_craftkit_does_not_know_is_said_so_asked_less_and_given_up(craftkit, unknown):
    assert (unknown.status, unknown.error_code) == ("sent", "unknown_at_craftkit")
    assert "another project's" in unknown.error
    since = unknown.unknown_since
    asked = len(craftkit.sandbox.requests)
    hours(craftkit, 26)
    assert 20 <= len(craftkit.sandbox.requests) - asked <= 26
    unknown.refresh_from_db()
    assert (unknown.poll_at, unknown.unknown_since, unknown.status) == (None, since, "sent")
    assert not Job.objects.exists()
    assert history(unknown) == ["sent"]

    assert unknown.refresh() is False
    asked = len(craftkit.sandbox.requests)
    craftkit.run()
    assert len(craftkit.sandbox.requests) == asked + 1, "a person has it asked for once more"
    hours(craftkit, 3)
    assert len(craftkit.sandbox.requests) == asked + 1
    assert not Job.objects.exists()


@pytest.mark.parametrize("after", [2, 30], ids=["soon", "after it was given up"])
def test_one_that_craftkit_knows_again_goes_on(craftkit, unknown, there, after):
    hours(craftkit, after)
    craftkit.sandbox.faults.clear()
    assert unknown.refresh(wait=5)
    assert (unknown.error, unknown.error_code, unknown.unknown_since) == ("", "", None)
    assert unknown.poll_at is not None
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, unknown, "completed")


def test_a_webhook_brings_back_one_that_was_given_up(craftkit, unknown, there):
    hours(craftkit, 26)
    craftkit.sandbox.faults.clear()
    craftkit.sandbox.sign_all(there.id)
    craftkit.run()
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error) == ("completed", "")


def test_the_cancellation_of_one_that_craftkit_does_not_know_is_given_up_too(
    craftkit, unknown, there
):
    assert unknown.cancel(reason="No need.")
    hours(craftkit, 30)
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error_code) == ("sent", "unknown_at_craftkit")
    assert not Job.objects.exists()
    craftkit.sandbox.faults.clear()
    unknown.refresh()
    settle(craftkit)
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error, there.status) == ("cancelled", "No need.", "cancelled")
    assert (unknown.error_code, unknown.unknown_since) == ("", None)


def test_a_conflict_about_one_that_craftkit_does_not_know_is_given_up_as_well(
    craftkit, sent, there
):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=None, **CANCEL)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **GET)
    sent.cancel()
    hours(craftkit, 26)
    sent.refresh_from_db()
    assert (sent.status, sent.error_code) == ("sent", "unknown_at_craftkit")
    assert not Job.objects.exists()


# Here.


def test_it_is_the_same_where_moments_are_naive(craftkit, settings):
    settings.USE_TZ = False
    craftkit.sandbox.faults.add("webhook_dropped", event="signature.signed", times=None)
    render = Render.objects.request("invoice", {})
    lost = send(render, key="lost")
    craftkit.sandbox.faults.add("cut_after", **POST)
    craftkit.run()
    lost.cancel()
    until(craftkit, lost, "cancelled")
    request, other = send(render, expires_in=timedelta(hours=1)), send(render, key="other")
    craftkit.run()
    there = {one.idempotency_key: one for one in craftkit.sandbox.signatures}
    craftkit.sandbox.sign_all(there[wire_key(request)].id)
    until(craftkit, request, "completed")
    settle_open = request.recipients.order_by("position")[0]
    assert settle_open.signed_at.tzinfo is None
    assert request.expires_at.tzinfo is None
    other.cancel()
    settle(craftkit)
    assert ArchivedFile.objects.count() == 2
    assert end_there(craftkit) == ["cancelled", "completed", "cancelled"]


class Replica:
    """Craftkit's tables are read from a copy that lags behind."""

    def db_for_read(self, model, **hints):
        return "other" if model._meta.app_label == "craftkit" else None

    def db_for_write(self, model, **hints):
        return "default" if model._meta.app_label == "craftkit" else None

    def allow_relation(self, *rows, **hints):
        return True


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_what_a_replica_does_not_have_yet_is_sent_and_followed_all_the_same(
    craftkit, settings, end
):
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    request = send(Render.objects.request("invoice", {}, key="i-1"))
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    assert [one.email for one in there.recipients] == [GUEST.email, SKIPPER.email]
    if end == "completed":
        craftkit.sandbox.sign_all(there.id)
    else:
        SignatureRequest.objects.using("default").get(pk=request.pk).cancel()
    craftkit.run()
    request.refresh_from_db(using="default")
    assert (request.status, there.status) == (end, end)
    assert not SignatureRequest.objects.using("other").exists()


def test_lists_of_requests(craftkit, ready):
    from tests.shop.models import Order

    order = Order.objects.create(number="1")
    about = Render.objects.request("invoice", {}, source=order)
    first = send(about)
    other = send(ready)
    craftkit.run()
    second = send(about, key="second")
    craftkit.run()
    assert list(SignatureRequest.objects.for_object(order)) == [second, first]
    assert set(SignatureRequest.objects.open()) == {first, second, other}
    first.cancel()
    craftkit.run()
    assert set(SignatureRequest.objects.open()) == {second, other}


def test_facts_about_a_thousand_people_cost_no_query_each(
    craftkit, ready, django_assert_max_num_queries
):
    requests = [send(ready, key=str(number)) for number in range(20)]
    craftkit.run()
    for there in craftkit.sandbox.signatures:
        craftkit.sandbox.view_signature(there.id, GUEST.email)
    craftkit.deliver()
    with django_assert_max_num_queries(60):
        process_webhooks(clock.now())
    craftkit.run()
    assert SignatureRequest.objects.filter(status="viewed").count() == len(requests)


def corrected(craftkit, ready: Render) -> tuple[SignatureRequest, SignatureRequest]:
    """One whose call never got there, taken back, and one in its place whose answer was lost."""
    craftkit.sandbox.faults.add("cut_before", **POST)
    mistaken = send(ready, anchor_tags=[AnchorTag("{{sing_here}}", "signature")], key="a")
    work()
    mistaken.cancel(reason="A misspelt anchor.")
    craftkit.pass_time(60)
    craftkit.sandbox.faults.add("cut_after", **POST)
    wanted = send(ready, key="b")
    return mistaken, wanted


def test_one_that_is_taken_back_takes_none_with_it_that_corrects_it(craftkit, ready, silent):
    mistaken, wanted = corrected(craftkit, ready)
    work()
    # The lost one is looked for first.
    Job.objects.filter(kind=SEND, object_id=wanted.pk).update(
        due_at=clock.now() + timedelta(minutes=5)
    )
    until(craftkit, wanted, "sent")
    until(craftkit, mistaken, "cancelled")
    assert (mistaken.status, mistaken.remote_id) == ("cancelled", None)
    assert wanted.status == "sent"
    assert [one.id for one in craftkit.sandbox.signatures] == [str(wanted.remote_id)]


@pytest.mark.parametrize("is_answered", [False, True])
def test_nor_one_that_is_sent_while_it_is_looked_for(
    craftkit, ready, silent, monkeypatch, is_answered
):
    mistaken, wanted = corrected(craftkit, ready)
    if is_answered:
        craftkit.sandbox.faults.clear()
    craftkit.pass_time(LEASE_OVER)
    take_back = Job.objects.get(kind=KIND, object_id=mistaken.pk)
    Job.objects.exclude(kind=SEND, object_id=wanted.pk).update(
        due_at=clock.now() + timedelta(hours=1)
    )
    before_sending(monkeypatch, str(ready.remote_id), work, method="GET")
    take_step(take_back)
    assert len(craftkit.sandbox.signatures) == 1
    mistaken.refresh_from_db()
    assert mistaken.remote_id is None
    until(craftkit, wanted, "sent", minutes=90)
    until(craftkit, mistaken, "cancelled", minutes=90)
    assert mistaken.remote_id is None
