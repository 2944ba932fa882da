"""Documents by HTTP: asked for, found, followed, taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from django_craftkit.api.renders import RenderViewSet
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share, SignatureRequest
from tests.admin.conftest import make_render, make_request, make_share
from tests.shop.models import Gift, Order, RushOrder

from .conftest import fields_of

pytestmark = pytest.mark.django_db

BODY = {"template": "invoice", "data": {"total": "42.00"}}
SIGNERS = {
    "recipients": [
        {"first_name": "Jane", "last_name": "Doe", "email": "jane@example.com"},
        {"first_name": "Max", "email": "max@example.com", "designation": "Approver"},
    ],
    "anchor_tags": [{"anchor_string": "{{ sign here }}", "type": "signature"}],
    "name": "Charter",
    "expires_in_hours": 48,
}


@pytest.fixture
def order(db):
    return Order.objects.create(number="A-1")


def ready(craftkit) -> Render:
    render = Render.objects.request("invoice", {"total": 1}, key="ready")
    craftkit.run()
    render.refresh_from_db()
    return render


# Requested.


def test_nothing_is_sent_in_the_request(craftkit, boss):
    made = boss.sent("renders/", BODY)
    assert (made["status"], made["is_final"], made["requested_by"]) == (
        "pending",
        False,
        boss.user.pk,
    )
    assert craftkit.renders == []
    craftkit.run()
    now = boss.got(f"renders/{made['id']}/")
    assert (now["status"], now["data"], now["error"]) == ("succeeded", BODY["data"], None)


def test_wait_has_the_answer_wait(craftkit, boss):
    assert boss.sent("renders/?wait=5", BODY)["status"] == "succeeded"


@pytest.mark.parametrize("wait", ["31", "-1", "nan", "inf", "five", "", "1e9"])
def test_wait_has_its_limit(boss, wait):
    response = boss.ask("post", f"renders/?wait={wait}", BODY)
    assert (response.status_code, fields_of(response)) == (400, ["wait"])
    assert not Render.objects.exists()


def test_the_limit_of_wait_is_a_setting(boss, settings):
    settings.CRAFTKIT = {"API_MAX_WAIT": 1}
    assert boss.ask("post", "renders/?wait=2", BODY).status_code == 400


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_wait_sends_outside_of_the_transaction_of_the_request(craftkit, boss, monkeypatch):
    """Under ``ATOMIC_REQUESTS``, of every database."""
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
    assert boss.sent("renders/?wait=5", BODY)["status"] == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction_of_somebody_elses(craftkit, boss):
    with transaction.atomic():
        made = boss.sent("renders/?wait=5", BODY)
    assert made["status"] == "pending"


@pytest.mark.parametrize(("builder", "status"), [("shop.invoice", 409), ("", 404)])
@pytest.mark.parametrize("path", ["share", "email", "sign"])
def test_a_document_that_goes_meanwhile(boss, monkeypatch, path, builder, status):
    """Its function had nothing to render, or somebody has deleted its row."""
    render = make_render("pending", builder=builder)
    read_body = RenderViewSet.read_body

    def late(view, serializer):
        Render.objects.all().delete()
        return read_body(view, serializer)

    monkeypatch.setattr(RenderViewSet, "read_body", late)
    body = {"share": {}, "email": {"recipient_email": "max@example.com"}, "sign": SIGNERS}[path]
    gone = boss.ask("post", f"renders/{render.pk}/{path}/", body)
    assert (gone.status_code, fields_of(gone)) == (status, [])


def test_what_craftkit_refuses_is_said_at_the_field_of_the_request(craftkit, boss):
    name = {"key": "customer.name", "label": "Name", "dataType": "text", "required": True}
    craftkit.put_template("letter", {"variables": [name], "loops": []})
    made = boss.sent("renders/?wait=5", {"template": "letter", "data": {}})
    assert made["status"] == "rejected"
    assert made["error"]["code"] == "invalid_input_data"
    (error,) = made["error"]["errors"]
    assert (error["field"], error["code"]) == ("data.customer.name", "invalid_input_data")
    assert boss.got("renders/")["results"][0]["error"] == made["error"]


def test_what_was_found_out_here_is_told_in_the_callers_language(boss, settings):
    path = f"renders/{make_render('cancelled', error_code='withdrawn').pk}/"
    assert boss.got(path)["error"]["message"] == "It was withdrawn before it was sent."
    boss.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    told = boss.got(path)["error"]
    assert (told["code"], told["message"]) == (
        "withdrawn",
        "Es wurde zurückgezogen, bevor es gesendet war.",
    )


def test_errors_of_any_kind_are_shown(boss):
    odd = {"recipients[0].firstName": ["Too long"], "recipientIndex": "No such", "x": [1, None]}
    render = make_render("rejected", error="No.", error_code="invalid_request", field_errors=odd)
    shown = boss.got(f"renders/{render.pk}/")["error"]
    assert sorted(one["field"] for one in shown["errors"]) == [
        "recipient",
        "recipients[0].first_name",
        "x",
        "x",
    ]
    Render.objects.update(field_errors=["odd"])
    assert boss.got(f"renders/{render.pk}/")["error"]["errors"] == []


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"template": ""}, "template"),
        ({"template": "a\nb"}, "template"),
        ({"template": "x" * 121}, "template"),
        ({"template": 7}, "template"),
        ({"data": []}, "data"),
        ({"data": None}, "data"),
        ({"data": {"a": "\0"}}, "data"),
        ({"data": {"a": "\ud800"}}, "data"),
        ({"version": 0}, "version"),
        ({"version": 2**31}, "version"),
        ({"version": 10**400}, "version"),
        ({"filename": 7}, "filename"),
        ({"filename": None}, "filename"),
        ({"filename": ".."}, "filename"),
        ({"filename": "f" * 256}, "filename"),
        ({"project": "elsewhere"}, "project"),
        ({"source": {"type": "shop.order", "id": "77"}}, "source"),
        ({"source": {"type": "shop.order", "id": "9" * 200}}, "source"),
        ({"source": {"type": "shop.tariff", "id": "nan"}}, "source"),
        ({"source": {"type": "shop.moment", "id": "0001-01-01T00:00:00+14:00"}}, "source"),
        ({"source": {"type": "shop.parcel", "id": "x"}}, "source"),
        ({"source": {"type": "shop.fingerprint", "id": "x"}}, "source"),
        ({"source": {"type": "shop.order", "id": "\ud800"}}, "source.id"),
        ({"source": {"type": "nowhere", "id": "1"}}, "source"),
        ({"source": {"type": "shop.seat", "id": "1"}}, "source"),
        ({"source": {"type": "shop.order"}}, "source.id"),
        ({"source": 7}, "source"),
        ({"key": "invoice-1"}, "key"),
        ({"\ud800": 1}, "?"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_its_field(boss, more, field):
    response = boss.ask("post", "renders/", {**BODY, **more})
    assert (response.status_code, fields_of(response)) == (400, [field])
    assert not Render.objects.exists()


def test_a_document_about_an_object(person, boss, order):
    from django.contrib.auth.models import Permission

    body = {**BODY, "source": {"type": "shop.Order", "id": str(order.pk)}}
    caller = person("add_render", "view_render")
    hidden = caller.ask("post", "renders/", body)
    missing = caller.ask("post", "renders/", {**body, "source": {"type": "shop.order", "id": "0"}})
    # Whoever may not see an object learns as much of it as of none.
    assert hidden.status_code == missing.status_code == 400
    assert hidden.json() == missing.json()
    caller.user.user_permissions.add(Permission.objects.get(codename="view_order"))
    made = caller.sent("renders/", body)
    assert made["source"] == {"type": "shop.order", "id": str(order.pk), "database": ""}
    assert Render.objects.for_object(order).get().pk == made["id"]


# Found.


def test_filters_find_what_the_answer_shows(boss, order):
    old = timezone.now() - timedelta(days=3)
    make_render("failed", template="letter", key="Letter-1", requested_at=old)
    about = make_render("succeeded", source=order, key="letter-1")
    elsewhere = make_render("queued", project="eu", source=Gift.objects.create(number="B"))

    def found(query: str) -> list[str]:
        return [row["key"] for row in boss.got(f"renders/?{query}")["results"]]

    day = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found("status=failed") == ["Letter-1"]
    assert found("template=letter") == ["Letter-1"]
    assert found("project=eu") == [elsewhere.key]
    assert found("key=letter-1") == ["letter-1"]
    assert found(f"source_type=shop.order&source_id={order.pk}") == [about.key]
    # A proxy's rows are its model's.
    assert RushOrder._meta.proxy
    assert found("source_type=shop.rushorder") == [about.key]
    assert found("source_type=nowhere") == found("source_type=a.b.c") == []
    assert found(f"requested_before={day}") == ["Letter-1"]
    assert len(found(f"requested_after={day}")) == 2
    assert found("ordering=requested_at")[0] == "Letter-1"


@pytest.mark.parametrize(
    "query",
    [
        "requested_after=0001-01-01T00:00:00%2B14:00",
        "requested_before=9999-12-31T23:59:59-14:00",
        "status=odd",
        "requested_after=odd",
        "ordering=data",
        "page_size=0",
        "page_size=101",
    ],
)
def test_a_filter_that_means_nothing_is_an_error(boss, query):
    response = boss.ask("get", f"renders/?{query}")
    assert (response.status_code, fields_of(response)) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize(
    "query", ["requested_by__password__startswith=a", "data__total=1", "error__contains=x"]
)
def test_an_address_asks_for_no_other_column(boss, query):
    make_render("failed", error="a")
    assert len(boss.got(f"renders/?{query}")["results"]) == 1


def test_the_other_lists_are_filtered(boss):
    one, other = make_render(), make_render()
    share = make_share(one, recipient_email="max@example.com", channel="email")
    make_share(other, "revoked")
    request = make_request(one, "declined")
    make_request(other)
    for path, query, row in (
        ("shares", f"render={one.pk}", share),
        ("shares", "status=active", share),
        ("shares", "channel=email", share),
        ("shares", "recipient_email=max@example.com", share),
        ("signature-requests", f"render={one.pk}", request),
        ("signature-requests", "status=declined", request),
    ):
        shown = boss.got(f"{path}/?{query}")["results"]
        assert [found["id"] for found in shown] == [row.pk], query
    for path in ("shares", "signature-requests", "engagement"):
        for odd in ("x", "0", str(2**63), "1.5", "nan", "1e1000000"):
            assert boss.ask("get", f"{path}/?render={odd}").status_code == 400, odd


# Followed and taken back.


def test_the_pdf(craftkit, boss):
    render = ready(craftkit)
    response = boss.ask("get", f"renders/{render.pk}/pdf/")
    assert response.status_code == 200
    assert b"".join(response.streaming_content).startswith(b"%PDF-")
    assert response["Content-Type"] == "application/pdf"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, no-store"
    # Who fetches a file has not seen it.
    assert not EngagementEvent.objects.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("invoice-7.pdf", "invoice-7.pdf"), ("../a\n.pdf ", "-a-.pdf"), ("", "")],
)
def test_a_file_name_is_kept_as_a_document_has_it(craftkit, boss, given, kept):
    made = boss.sent("renders/?wait=5", {**BODY, "filename": given})
    assert made["filename"] == kept == Render.objects.get().filename
    assert boss.got("renders/")["results"][0]["filename"] == kept
    assert [one.filename for one in craftkit.sandbox.renders] == [kept or None]


def test_the_pdf_has_the_name_of_its_document(craftkit, boss):
    made = boss.sent("renders/?wait=5", {**BODY, "filename": "Rechnung für Ελένη"})
    response = boss.ask("get", f"renders/{made['id']}/pdf/")
    name = "Rechnung%20f%C3%BCr%20%CE%95%CE%BB%CE%AD%CE%BD%CE%B7.pdf"
    assert response["Content-Disposition"] == f"inline; filename*=utf-8''{name}"


@pytest.mark.parametrize("accept", ["application/pdf", "*/*", "text/html, */*;q=0.1"])
def test_the_pdf_is_given_to_whoever_accepts_it(craftkit, boss, accept):
    path = f"/api/craftkit/renders/{ready(craftkit).pk}/pdf/"
    assert boss.get(path, headers={"accept": accept}).status_code == 200
    make_render("queued")
    pending = boss.get(path.replace("/pdf/", "9/pdf/"), headers={"accept": accept})
    assert (pending.status_code, pending["Content-Type"]) == (404, "application/json")


@pytest.mark.parametrize(
    ("status", "code"), [("queued", "not_ready"), ("failed", "no_pdf"), ("rejected", "no_pdf")]
)
def test_a_document_without_a_pdf(boss, status, code):
    response = boss.ask("get", f"renders/{make_render(status).pk}/pdf/")
    assert (response.status_code, response.json()["code"]) == (409, code)


def test_craftkit_does_not_hand_the_pdf_out(craftkit, boss):
    render = ready(craftkit)
    craftkit.sandbox.faults.add("status", status=503)
    response = boss.ask("get", f"renders/{render.pk}/pdf/")
    assert (response.status_code, response.json()["code"]) == (502, "unavailable")


def test_a_missing_key_is_no_business_of_whoever_reads(boss, settings):
    settings.CRAFTKIT_PROJECTS = {"default": {}}
    render = make_render(remote_id="9b2f7a52-5f0e-4f4a-9d53-111111111111")
    response = boss.ask("get", f"renders/{render.pk}/pdf/")
    assert response.status_code == 502
    assert "API_KEY" not in response.content.decode()


def test_a_retry(craftkit, boss):
    render = make_render("failed", data={})
    assert boss.sent(f"renders/{render.pk}/retry/", status=200)["attempt"] == 2
    # Pressed twice: it is under way.
    assert boss.sent(f"renders/{render.pk}/retry/", status=200)["attempt"] == 2
    craftkit.run()
    assert boss.sent(f"renders/{render.pk}/retry/", status=409)["code"] == "not_retriable"
    assert Change.objects.get(cause="asked", kind="render").person == boss.user


def test_a_withdrawal(craftkit, boss):
    render = ready(craftkit)
    boss.sent(f"renders/{render.pk}/share/?wait=5", {})
    for _ in range(2):
        taken = boss.sent(f"renders/{render.pk}/withdraw/?wait=5", status=200)
        assert taken["withdrawn_at"] is not None
    assert Render.objects.get().withdrawn_by == boss.user
    assert Share.objects.get().status == "revoked"
    for path, body in (
        ("share", {}),
        ("email", {"recipient_email": "max@example.com"}),
        ("sign", SIGNERS),
    ):
        refused = boss.sent(f"renders/{render.pk}/{path}/", body, status=409)
        assert refused["code"] == "withdrawn"


def test_what_was_erased_says_since_when_and_holds_nothing(craftkit, boss):
    render = ready(craftkit)
    boss.sent(f"renders/{render.pk}/email/", {"recipient_email": "ada@example.com"})
    boss.sent(f"renders/{render.pk}/sign/", SIGNERS)
    craftkit.run()
    rows = {
        f"renders/{render.pk}/": {"key": "", "source": None, "data": None, "filename": ""},
        f"shares/{render.shares.get().pk}/": {"recipient_email": "", "url": None, "message": ""},
        f"signature-requests/{render.signature_requests.get().pk}/": {"name": ""},
    }
    assert {boss.got(path)["erased_at"] for path in rows} == {None}
    Render.objects.filter(pk=render.pk).erase()
    for path, left in rows.items():
        row = boss.got(path)
        assert row["erased_at"] is not None
        assert {name: row[name] for name in left} == left
    for path, body in (("retry", {}), ("share", {}), ("supersede", {"data": {}})):
        refused = boss.sent(f"renders/{render.pk}/{path}/", body, status=409)
        assert refused["code"] == "withdrawn"


def test_a_view_is_recorded(craftkit, boss):
    render = ready(craftkit)
    path = f"renders/{render.pk}/record/"
    boss.sent(path, {"type": "downloaded", "metadata": {"page": "booking"}}, status=204)
    boss.sent(path, status=204)
    craftkit.run()
    events = EngagementEvent.objects.filter(actor="partner").order_by("type")
    assert [event.type for event in events] == ["downloaded", "viewed"]
    response = boss.ask("post", path, {"type": "shredded", "metadata": 7})
    assert (response.status_code, fields_of(response)) == (400, ["type", "metadata"])
    pending = f"renders/{make_render('queued').pk}/record/"
    assert boss.sent(pending, status=409)["code"] == "not_ready"


# Shared, mailed, signed.


def test_a_link_and_its_end(craftkit, boss):
    render = ready(craftkit)
    until = (timezone.now() + timedelta(days=1)).isoformat()
    made = boss.sent(f"renders/{render.pk}/share/?wait=5", {"message": " Hi ", "expires_at": until})
    assert (made["status"], made["is_open"], made["message"]) == ("active", True, " Hi ")
    assert made["url"] == craftkit.shares[0].url
    path = f"shares/{made['id']}/"
    assert boss.got(path) == made
    for _ in range(2):
        gone = boss.sent(f"{path}revoke/?wait=5", status=200)
        assert (gone["status"], gone["is_open"], gone["url"]) == ("revoked", False, None)
    assert Share.objects.get().revoke_requested_by == boss.user


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "x" * 2001}, "message"),
        ({"message": 5}, "message"),
        ({"message": "\ud800"}, "message"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2040-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"expires_at": 7}, "expires_at"),
        ({"channel": "pigeon"}, "channel"),
        ({"channel": "email"}, "recipient_email"),
        ({"recipient_email": "nobody"}, "recipient_email"),
        ({"expires": None}, "expires"),
    ],
    ids=str,
)
def test_a_link_that_can_not_be_made(boss, body, field):
    response = boss.ask("post", f"renders/{make_render().pk}/share/", body)
    assert (response.status_code, fields_of(response)) == (400, [field])
    assert not Share.objects.exists()


def test_an_e_mail(craftkit, boss):
    render = ready(craftkit)
    body = {"recipient_email": "max@example.com", "recipient_name": "Max", "message": "Here"}
    made = boss.sent(f"renders/{render.pk}/email/?wait=5", body)
    assert (made["by_mail"], made["recipient_email"]) == (True, "max@example.com")
    assert made["mailed_at"] is not None
    assert boss.sent(f"renders/{render.pk}/email/", body) == made
    assert [mail.to for mail in craftkit.outbox] == ["max@example.com"]


def test_a_signature_request_and_its_files(craftkit, boss):
    render = ready(craftkit)
    made = boss.sent(f"renders/{render.pk}/sign/?wait=5", SIGNERS)
    assert (made["status"], made["name"], made["render"]) == ("sent", "Charter", render.pk)
    assert [one["designation"] for one in made["recipients"]] == ["Signer", "Approver"]
    path = f"signature-requests/{made['id']}/"
    assert boss.got(path) == made
    for file in ("signed", "certificate"):
        assert boss.got(f"{path}{file}/", 409)["code"] == "not_ready"
    craftkit.sign(SignatureRequest.objects.get())
    craftkit.run()
    for file in ("signed", "certificate"):
        response = boss.ask("get", f"{path}{file}/")
        assert b"".join(response.streaming_content).startswith(b"%PDF-")
        assert response["Cache-Control"] == "private, no-store"
    assert all(one["signed_at"] for one in boss.got(path)["recipients"])
    assert boss.sent(f"{path}cancel/", status=409)["code"] == "ended"


def test_a_cancellation(craftkit, boss):
    request = make_request(make_render())
    path = f"signature-requests/{request.pk}/cancel/"
    for _ in range(2):
        gone = boss.sent(path, {"reason": "Wrong boat"}, status=200)
        assert (gone["cancel_reason"], gone["status"]) == ("Wrong boat", "sent")
    assert SignatureRequest.objects.get().cancel_requested_by == boss.user
    response = boss.ask("post", path, {"reason": "x" * 501})
    assert (response.status_code, fields_of(response)) == (400, ["reason"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": 7}, "recipients"),
        ({"recipients": [{"first_name": "Jane", "email": "jane"}]}, "recipients[0].email"),
        ({"recipients": [{"first_name": "Jane"}]}, "recipients[0].email"),
        ({"recipients": [{"first_name": "J", "email": "j@a.de", "fax": 1}]}, "recipients[0].fax"),
        ({"anchor_tags": []}, "fields"),
        ({"anchor_tags": [{"anchor_string": "x", "type": "stamp"}]}, "anchor_tags[0].type"),
        ({"fields": [{"type": "date", "x": 1, "y": "nan"}]}, "fields[0].y"),
        ({"name": "x" * 256}, "name"),
        ({"expires_in_hours": 9999}, "expires_in_hours"),
        ({"expires_in_hours": 0}, "expires_in_hours"),
    ],
    ids=str,
)
def test_a_signature_request_that_can_not_be_sent(boss, change, field):
    response = boss.ask("post", f"renders/{make_render().pk}/sign/", {**SIGNERS, **change})
    assert (response.status_code, fields_of(response)) == (400, [field])
    assert not SignatureRequest.objects.exists()
    assert not Job.objects.exists()
