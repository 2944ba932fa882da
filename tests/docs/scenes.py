"""What the snippets of the documentation are run in, and what must have come of them.

A scene is a generator, named ``scene_`` and what the snippet's comment says. It sets the stage,
yields the names that the snippet finds there, and gets back all the names that the snippet leaves.
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import unittest
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import responses
from asgiref.sync import async_to_sync
from celery import Celery, current_app
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group
from django.core import checks, mail, signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models.signals import m2m_changed
from django.db.utils import ConnectionHandler
from django.http import Http404, HttpResponse
from django.template import engines
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from django_craftkit import beat_schedule, client, credentials, declarations, signals, tenants
from django_craftkit.api.querysets import narrowed
from django_craftkit.api.throttling import MAIL, READ, WRITE
from django_craftkit.database import database
from django_craftkit.embedding import create_session
from django_craftkit.models import (
    ArchivedFile,
    Batch,
    Change,
    EmbedSession,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    Template,
)
from django_craftkit.models.archive import archive_storage
from django_craftkit.sandbox import Sandbox, SandboxAdapter, SandboxServer
from django_craftkit.signing import AnchorTag, Recipient
from tests.client.conftest import BASE
from tests.client.embed.helpers import IMAGE, MINTED, REFRESH_URL, SESSION, SESSIONS_URL
from tests.client.test_account import KEYED, PROJECT, PROJECTS_URL, PROVISION_URL, PROVISIONED
from tests.docs import pages
from tests.forms.helpers import form_event, minted, store
from tests.shop import organizations
from tests.shop.models import Account, Line, Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

Names = dict[str, Any]
Scene = Generator[Names, Names, None]
Stage = pytest.FixtureRequest

SCENES: dict[str, Callable[[Stage], Scene]] = {}


def scene(function: Callable[[Stage], Scene]) -> Callable[[Stage], Scene]:
    SCENES[function.__name__.removeprefix("scene_")] = function
    return function


def _kit(stage: Stage) -> Kit:
    kit: Kit = stage.getfixturevalue("craftkit")
    return kit


def _order(stage: Stage) -> Order:
    order: Order = stage.getfixturevalue("order")
    return order


def _asked(order: Order) -> Render:
    return Render.objects.request("invoice", {"number": order.number}, source=order)


def _ready(stage: Stage) -> Render:
    render = _asked(_order(stage))
    _kit(stage).run()
    render.refresh_from_db()
    return render


# Declarations and signals.


@scene
def scene_declaration(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    yield {}
    order.save()
    kit.run()
    assert kit.renders == [], "it is asked for although it is not confirmed"
    order.confirmed = True
    order.save()
    order.save()
    kit.run()
    (document,) = kit.renders
    assert (document.template, document.data["number"]) == ("invoice", "A-1")
    assert Render.objects.get().key == "invoice-A-1"


def _submit(stage: Stage, template: str, **data: Any) -> Order:
    """Have somebody submit a form that was shown for the order."""
    order = _order(stage)
    session = EmbedSession.objects.note("default", minted(), source=order)
    store(form_event(session.remote_id, templateSlug=template, data=data))
    _kit(stage).run()
    return order


@scene
def scene_form_rows(stage: Stage) -> Scene:
    order = _submit(stage, "charter-form", number="B-1")
    capture = stage.getfixturevalue("capsys")
    yield {"order": order}
    assert "charter-form" in (said := capture.readouterr().out)
    assert "{'number': 'B-1'}" in said


@scene
def scene_form_document(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    yield {}
    order = _submit(stage, "charter-form", number="B-1")
    _submit(stage, "address-form", number="B-2")
    (document,) = _kit(stage).renders
    assert (document.template, document.data["number"]) == ("charter", "B-1")
    assert Render.objects.for_object(order).get().status == "succeeded"


@scene
def scene_form_receiver(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    yield {}
    order = _submit(stage, "address-form", number="B-1")
    order.refresh_from_db()
    assert order.number == "B-1"


def _batch(stage: Stage) -> Batch:
    orders = [Order.objects.create(number=f"A-{n}", total=n) for n in range(3)]
    return Render.objects.request_many(
        "statement", orders, data=lambda order: {"number": order.number}, name="2026-11"
    )


@scene
def scene_month_end(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    for n in range(3):
        Order.objects.create(number=f"A-{n}", total=n)
    Order.objects.update(confirmed=True)
    names = yield {}
    batch = names["batch"]
    assert (batch.created, batch.existing, batch.skipped) == (2, 0, 1)
    assert batch.name == "2026-11"
    keys = batch.renders.values_list("key", flat=True)
    assert set(keys) == {"statement-2026-11-A-1", "statement-2026-11-A-2"}


@scene
def scene_month_end_progress(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    batch = _batch(stage)
    names = yield {}
    assert names["batch"] == batch
    assert len(names["late"]) == 3


@scene
def scene_month_end_retry(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    batch = _batch(stage)
    batch.renders.update(status="failed")
    request = RequestFactory().post("/")
    request.user = get_user_model().objects.create(username="jane")
    names = yield {"batch": batch, "request": request}
    assert names["number"] == 3
    assert Change.objects.filter(person=request.user).count() == 3


@scene
def scene_month_end_mend(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    batch = _batch(stage)
    batch.renders.update(status="rejected")
    yield {"batch": batch, "statement": lambda order: {"total": order.number}}
    found = batch.renders.order_by("key").values_list("status", "data")
    assert [*found] == [("pending", {"total": f"A-{n}"}) for n in range(3)]


@scene
def scene_month_end_mail(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    stage.getfixturevalue("monkeypatch").setattr(Order, "email", "jane@acme.com", raising=False)
    kit, batch = _kit(stage), _batch(stage)
    kit.run()
    batch.renders.filter(source_id=Order.objects.get(number="A-2").pk).update(status="failed")
    yield {"batch": batch}
    assert set(Job.objects.filter(kind="email").values_list("priority", flat=True)) == {2}
    kit.run()
    said = {(mail.to, mail.message) for mail in kit.outbox}
    assert said == {("jane@acme.com", f"Your statement A-{n}") for n in range(2)}


@scene
def scene_batch_completed(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit = _kit(stage)
    names = yield {}
    sent: list[tuple[str, str]] = []
    # Each version of Django has settings of its own for it.
    names["mail_admins"] = lambda *mail: sent.append(mail)
    _batch(stage)
    kit.run()
    assert sent == [("statement 2026-11 is done", "3 of 3 statements are ready.")]


@scene
def scene_snapshot(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    names = yield {}
    names["ship"](order)
    kit.run()
    assert kit.renders[0].data == {"number": "A-1", "parcels": 2}


@scene
def scene_language(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    moment = datetime(2026, 4, 30, 21, 30, tzinfo=UTC)
    stage.getfixturevalue("monkeypatch").setattr(Order, "created_at", moment, raising=False)
    stage.getfixturevalue("monkeypatch").setattr(Order, "language", "de", raising=False)
    names = yield {}
    names["sold"].send(Order, instance=order)
    kit.run()
    assert kit.renders[0].data == {"number": "A-1", "title": "Mai", "date": "1. Mai 2026"}


@scene
def scene_project(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit = _kit(stage)
    settings = stage.getfixturevalue("settings")
    default = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": default}
    names = yield {}
    for number in ("A-1", "EU-1"):
        names["sold"].send(Order, instance=Order.objects.create(number=number))
    kit.run()
    kit.pass_time(10)
    kit.run()
    found = Render.objects.values_list("key", "project", "status").order_by("key")
    assert list(found) == [
        ("receipt-A-1", "default", "succeeded"),
        ("receipt-EU-1", "eu", "succeeded"),
    ]


@scene
def scene_several(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit = _kit(stage)
    receivers = list(m2m_changed.receivers)
    names = yield {}
    try:
        jane = get_user_model().objects.create(username="jane")
        jane.groups.add(Group.objects.create(name="staff"))
        names["hired"].send(type(jane), instance=jane)
        kit.run()
    finally:
        m2m_changed.receivers = receivers
        m2m_changed.sender_receivers_cache.clear()
    (document,) = kit.renders
    assert document.data == {"name": "jane", "groups": ["staff"]}


@scene
def scene_queryset(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    order = _order(stage)
    Order.objects.update(confirmed=True)
    before = set(declarations.declared())
    yield {}
    (made,) = set(declarations.declared()) - before
    assert list(made.missing() or []) == [order]
    order.refresh_from_db()
    order.save()
    assert not made.missing()


@scene
def scene_on_change(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    order.confirmed = True
    order.save()
    order.refresh_from_db()
    yield {}
    order = Order.objects.get(pk=order.pk)
    order.save()
    assert not Render.objects.filter(template="price-list").exists(), "nothing has changed"
    order.total = 7
    order.save()
    order.save()
    kit.run()
    (document,) = kit.renders
    assert (document.template, document.data["total"]) == ("price-list", "7.00")


@scene
def scene_email_to(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    names = yield {}
    order.total = 7
    order.save()
    for _ in range(2):
        names["billed"].send(Order, instance=order)
        kit.run()
    (mail,) = kit.sandbox.mails
    assert (mail.to, mail.message) == ("jane@example.com", "Your invoice A-1")


@scene
def scene_naming(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    names = yield {}
    names["billed"].send(Order, instance=order)
    kit.run()
    (document,) = kit.sandbox.renders
    assert (document.version.number, document.filename) == (1, "invoice-A-1.pdf")


@scene
def scene_recheck(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    names = yield {}
    order.total = 50
    names["confirmed"].send(Order, instance=order)
    kit.run()
    assert kit.renders == [], "what the event said is not saved"
    names["confirm"](order)
    kit.pass_time(60)
    kit.run()
    assert kit.renders[0].data == {"number": "A-1", "total": "50.00"}


@scene
def scene_receiver(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    names = yield {}
    render = _ready(stage)
    assert Share.objects.get().is_open
    names["hand_to_customer"](instance=render)
    assert Share.objects.count() == 1, "the second call makes a second link"


@scene
def scene_idempotent(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    names = yield {}
    render = _ready(stage)
    names["note_on_order"](instance=render)
    assert Line.objects.get().text == f"PDF of {render.key}"


@scene
def scene_paused(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    names = yield {}
    now = timezone.now()
    ProjectState.objects.pause("default", "email", code="", reason="No.", now=now, probe_at=now)
    state = ProjectState.objects.get()
    sent = []
    # Each version of Django has settings of its own for it.
    names["mail_admins"] = lambda subject, message: sent.append(message)
    names["tell_admins"](instance=state, change=Change(note=state.pause_reason))
    assert sent == ["No."]
    ProjectState.objects.resume("default", "email", now=now)
    state.refresh_from_db()
    names["tell_admins"](instance=state, change=Change(note="No."))
    assert sent == ["No."]


# Documents in Python.


@scene
def scene_request(stage: Stage) -> Scene:
    names = yield {"order": _order(stage)}
    assert names["render"].status == "pending"
    _kit(stage).run()
    assert Render.objects.get(key="invoice-A-1").status == "succeeded"


@scene
def scene_find(stage: Stage) -> Scene:
    kit, order = _kit(stage), _order(stage)
    render = _ready(stage)
    Render.objects.request("letter", {}, source=order)
    Render.objects.filter(template="letter").update(attempted_at=timezone.now() - timedelta(days=1))
    Order.objects.update(confirmed=True)
    names = yield {"order": order, "Order": Order}
    assert names["newest"].template == "letter"
    assert len(names["of_all"]) == 2
    assert list(names["all_invoices"]) == [render]
    assert [one.template for one in names["still_coming"]] == ["letter"]
    assert [one.template for one in names["too_long"]] == ["letter"]
    kit.run()


@scene
def scene_wait(stage: Stage) -> Scene:
    _kit(stage)
    render = _asked(_order(stage))
    yield {"render": render}
    assert render.status == "succeeded"


@scene
def scene_open(stage: Stage) -> Scene:
    path = stage.getfixturevalue("tmp_path") / "invoice.pdf"
    yield {"render": _ready(stage), "path": path}
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.read_bytes() == _kit(stage).renders[0].pdf()


@scene
def scene_view(stage: Stage) -> Scene:
    names = yield {}
    render = _ready(stage)
    visit = RequestFactory().get("/")
    visit.user = AnonymousUser()
    with pytest.raises(PermissionDenied):
        names["document"](visit, render.pk)
    visit.user = get_user_model().objects.create_superuser("admin", "admin@example.com", "x")
    response = names["document"](visit, render.pk)
    assert b"".join(response).startswith(b"%PDF-")
    response.close()


@scene
def scene_async_view(stage: Stage) -> Scene:
    _order(stage)
    _kit(stage)
    names = yield {}
    request = RequestFactory().get("/")
    answer = json.loads(async_to_sync(names["create_invoice"])(request, number="A-1").content)
    share = Share.objects.get()
    assert answer == {"status": "pending", "url": share.url}
    assert (share.status, share.message) == ("active", "Your invoice")


@scene
def scene_async_list(stage: Stage) -> Scene:
    _ready(stage)
    names = yield {}
    page = engines["django"].from_string(
        "{% load craftkit %}{% for order in orders %}{% craftkit_status order %}{% endfor %}"
    )
    names["render"] = lambda request, name, context: HttpResponse(page.render(context, request))
    answer = async_to_sync(names["order_list"])(RequestFactory().get("/"))
    assert "craftkit-badge--succeeded" in answer.content.decode()


@scene
def scene_async_file(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {}

    async def body() -> bytes:
        response = await names["invoice"](RequestFactory().get("/"), pk=render.pk)
        return b"".join([chunk async for chunk in response])

    assert async_to_sync(body)() == _kit(stage).renders[0].pdf()
    assert async_to_sync(names["first_bytes"])(render).startswith(b"%PDF-")


@scene
def scene_share(stage: Stage) -> Scene:
    names = yield {"render": _ready(stage)}
    _kit(stage).run()
    names["share"].refresh_from_db()
    assert names["share"].is_open
    assert names["share"].expires_at is not None


@scene
def scene_revoke(stage: Stage) -> Scene:
    link = _ready(stage).share(wait=True)
    assert link.is_open
    yield {"share": link}
    assert not link.is_open
    _kit(stage).run()
    link.refresh_from_db()
    assert link.status == "revoked"


@scene
def scene_email(stage: Stage) -> Scene:
    kit = _kit(stage)
    yield {"render": _ready(stage), "timedelta": timedelta, "timezone": timezone}
    kit.run()
    (mail,) = kit.sandbox.mails
    assert (mail.to, mail.recipient_name) == ("jane@example.com", "Jane Doe")
    assert Share.objects.get().mailed_at


@scene
def scene_unsettled(stage: Stage) -> Scene:
    share = _ready(stage).email("jane@example.com")
    Share.objects.filter(pk=share.pk).update(status="unknown", error_code="mail_unproven")
    yield {"Share": Share}
    assert Share.objects.get().status == "active"


@scene
def scene_record(stage: Stage) -> Scene:
    kit = _kit(stage)
    yield {"render": _ready(stage)}
    kit.run()
    assert Render.objects.get().counts["downloaded"] == 1


@scene
def scene_withdraw(stage: Stage) -> Scene:
    kit, render = _kit(stage), _ready(stage)
    render.share()
    kit.run()
    yield {"render": render}
    kit.run()
    assert kit.shares[0].revoked


def _of_jane(stage: Stage) -> tuple[Kit, Order, Render]:
    kit, order = _kit(stage), _order(stage)
    render = _asked(order)
    kit.run()
    render.email("jane@acme.com")
    kit.run()
    return kit, order, render


@scene
def scene_erase(stage: Stage) -> Scene:
    kit, order, render = _of_jane(stage)
    officer = get_user_model().objects.create_user("officer")
    names = yield {"customer": order, "officer": officer}
    assert names["planned"].counts == names["erasure"].counts
    kit.run()
    render.refresh_from_db()
    assert (render.data, render.withdrawn_by) == (None, officer)
    assert Share.objects.get().recipient_email == ""
    assert kit.shares[0].revoked


@scene
def scene_erase_orders(stage: Stage) -> Scene:
    _kit, order, render = _of_jane(stage)
    orders = SimpleNamespace(all=lambda: Order.objects.filter(pk=order.pk))
    account = Account.objects.create(owner=get_user_model().objects.create_user("jane"))
    account.orders, account.email = orders, "jane@acme.com"
    names = yield {"customer": account}
    assert names["planned"].erased["Render"] == [render.pk]


@scene
def scene_erase_address(stage: Stage) -> Scene:
    kit, _order, render = _of_jane(stage)
    names = yield {}
    assert names["erasure"].mentioned_in == [render.pk]
    kit.run()
    assert Share.objects.get().recipient_email == ""
    assert kit.shares[0].revoked


@scene
def scene_erase_archive(stage: Stage) -> Scene:
    _kit, order, render = _of_jane(stage)
    yield {"erasure": Render.objects.for_object(order).erase()}
    kinds = ArchivedFile.objects.filter(object_id=render.pk, name="").values_list("kind", flat=True)
    assert "render" in kinds


@scene
def scene_supersede(stage: Stage) -> Scene:
    kit, render = _kit(stage), _ready(stage)
    render.share()
    kit.run()
    names = yield {"render": render, "order": _order(stage)}
    kit.run()
    new = Render.objects.get(key="invoice-A-1-corrected")
    assert (names["new"], new.supersedes, new.status) == (new, render, "succeeded")
    assert kit.shares[0].revoked
    render.refresh_from_db()
    assert render.superseded_by == new
    assert render.superseded_at is not None


@scene
def scene_supersede_view(stage: Stage) -> Scene:
    names = yield {}
    order, render = _order(stage), _ready(stage)
    request = RequestFactory().post("/")
    request.user = get_user_model().objects.create(username="ada")
    told = []
    stage.getfixturevalue("monkeypatch").setattr(
        names["messages"], "warning", lambda request, text: told.append(text)
    )
    for _click in range(2):
        names["correct_invoice"](request, render.pk)
    assert (Render.objects.get(supersedes=render).requested_by, told) == (request.user, [])
    order.total += 1
    order.save()
    names["correct_invoice"](request, render.pk)
    assert (Render.objects.count(), len(told)) == (2, 1)


@scene
def scene_superseded_receiver(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, render = _kit(stage), _ready(stage)
    other = Render.objects.request("invoice", {}, key="other")
    kit.run()
    yield {}
    other.withdraw()
    new = render.supersede({"number": "A-1"}, key="new")
    kit.run()
    (mail,) = Share.objects.all()
    assert (mail.render, mail.status) == (new, "active")


@scene
def scene_credit_note(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {"order": _order(stage)}
    _kit(stage).run()
    render.refresh_from_db()
    assert render.withdrawn_at is None
    assert (names["credit_note"].source, names["credit_note"].supersedes) == (_order(stage), None)
    assert _kit(stage).renders[1].template == "credit-note"


@scene
def scene_same_again(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {"render": render}
    assert (names["new"].data, names["new"].supersedes) == (render.data, render)


@scene
def scene_mail_again(stage: Stage) -> Scene:
    yield {"render": _ready(stage)}
    _kit(stage).run()
    assert [mail.to for mail in _kit(stage).outbox] == ["jane@example.com"] * 2


@scene
def scene_template_known(stage: Stage) -> Scene:
    kit = _kit(stage)
    variable = {"key": "number", "label": "Number", "dataType": "text"}
    kit.put_template("invoice", {"variables": [variable], "loops": []})
    Template.objects.refresh("default")
    kit.run()
    names = yield {}
    assert names["keys"] == ["number"]
    assert Job.objects.get().kind == Job.Kind.TEMPLATES


@scene
def scene_check_data(stage: Stage) -> Scene:
    kit = _kit(stage)
    variable = {"key": "number", "label": "Number", "dataType": "text", "required": True}
    kit.put_template("invoice", {"variables": [variable], "loops": []})
    Template.objects.refresh("default")
    kit.run()
    names = yield {"data": {"x": 1}}
    found = names["check"](names["convert"](names["data"]), names["template"].manifest)
    assert [one.code for one in found] == ["required", "unknown_key"]


@scene
def scene_second_site(stage: Stage) -> Scene:
    names = yield {}
    registered = names["backoffice"]._registry
    assert {model._meta.app_label for model in registered} == {"craftkit"}
    assert Render in registered


@scene
def scene_documents_mixin(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {}
    order_admin = names["OrderAdmin"](Order, names["admin"].site)
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.create_superuser("boss")
    response = order_admin.changeform_view(request, str(_order(stage).pk))
    (shown,) = response.context_data["craftkit_documents"]["rows"]
    assert shown["url"] == reverse("admin:craftkit_render_change", args=[render.pk])


@scene
def scene_retry(stage: Stage) -> Scene:
    kit = _kit(stage)
    kit.sandbox.faults.add("render_failed")
    render = _ready(stage)
    assert render.status == "failed"
    yield {"render": render, "order": _order(stage)}
    assert render.attempt == 2, "the second retry has nothing to retry"
    kit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


@scene
def scene_set_aside(stage: Stage) -> Scene:
    kit = _kit(stage)
    render = _asked(_order(stage))
    Job.objects.update(leased_until=timezone.now() + timedelta(days=1))
    kit.run()
    assert kit.renders == []
    yield {"render": render}
    kit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


# Signatures.


def _agreement(stage: Stage) -> SignatureRequest:
    """One that is out to be signed by one person."""
    render = Render.objects.request("agreement", {}, source=_order(stage))
    request = render.send_for_signature(
        [Recipient("Jane", "Doe", "jane@example.com")],
        anchor_tags=[AnchorTag("[[sign_here]]", "signature")],
    )
    _kit(stage).run()
    return request


@scene
def scene_sign(stage: Stage) -> Scene:
    kit = _kit(stage)
    names = yield {"render": _asked(_order(stage))}
    kit.run()
    names["request"].refresh_from_db()
    assert names["request"].status == "sent"
    (there,) = kit.signatures
    assert there.name == "Charter agreement"
    assert there.expires_at - there.created_at == timedelta(hours=168)
    assert [tag["recipientIndex"] for tag in there.anchor_tags] == [0, 1]


@scene
def scene_sign_with(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    kit, order = _kit(stage), _order(stage)
    yield {}
    order.confirmed = True
    order.save()
    kit.run()
    assert kit.signatures == [], "it is for nobody to sign below 100"
    expensive = Order.objects.create(number="A-2", total=100, confirmed=True)
    kit.run()
    (there,) = kit.signatures
    assert there.name == "Order A-2"
    assert SignatureRequest.objects.for_object(expensive).get().status == "sent"


@scene
def scene_sign_find(stage: Stage) -> Scene:
    request = _agreement(stage)
    names = yield {"order": _order(stage)}
    assert names["newest"] == request
    assert list(names["still_open"]) == [request]
    assert names["missing"] == ["Jane Doe"]


@scene
def scene_sign_receiver(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    yield {}
    kit, request = _kit(stage), _agreement(stage)
    kit.sign(request)
    kit.run()
    first, second = Line.objects.order_by("pk").values_list("text", flat=True)
    assert first == "Jane Doe has signed"
    assert second.startswith("signed, ")


@scene
def scene_sign_cancel(stage: Stage) -> Scene:
    request = _agreement(stage)
    yield {"request": request, "user": get_user_model().objects.create_user("ada")}
    _kit(stage).run()
    request.refresh_from_db()
    assert (request.status, request.cancel_reason) == ("cancelled", "The dates have changed.")


@scene
def scene_sign_view(stage: Stage) -> Scene:
    names = yield {}
    kit, request = _kit(stage), _agreement(stage)
    kit.sign(request)
    kit.run()
    visit = RequestFactory().get("/")
    visit.user = AnonymousUser()
    with pytest.raises(PermissionDenied):
        names["signed_agreement"](visit, request.pk)
    visit.user = get_user_model().objects.create_superuser("admin", "admin@example.com", "x")
    response = names["signed_agreement"](visit, request.pk)
    assert b"".join(response).startswith(b"%PDF-")
    response.close()


# Settings and urls.


@scene
def scene_settings(stage: Stage) -> Scene:
    for name in ("CRAFTKIT_API_KEY", "CRAFTKIT_WEBHOOK_SECRET"):
        stage.getfixturevalue("monkeypatch").setenv(name, f"a value of {name}".replace(" ", "-"))
    names = yield {"INSTALLED_APPS": [], "BASE_DIR": stage.getfixturevalue("tmp_path")}
    given = {name: names[name] for name in ("CRAFTKIT_PROJECTS", "CRAFTKIT") if name in names}
    with override_settings(**given):
        assert checks.run_checks(tags=["craftkit"]) == []
    for entry in names.get("CELERY_BEAT_SCHEDULE", {}).values():
        assert entry["task"] in current_app.tasks
    if "DATABASES" in names:
        connection = ConnectionHandler(names["DATABASES"])["default"]
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone() == ("wal",)
        connection.close()
        given = names["DATABASES"]
    assert given or "CELERY_BEAT_SCHEDULE" in names, "it sets nothing that is known"


@scene
def scene_tenants_settings(stage: Stage) -> Scene:
    names = yield {}
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert "django_craftkit" in names["TENANT_APPS"]
        assert checks.run_checks(tags=["craftkit"]) == []
        assert tenants.are_used()


@scene
def scene_tenants_databases(stage: Stage) -> Scene:
    names = yield {}
    module = ModuleType("documented_tenants")
    vars(module).update(names)
    stage.getfixturevalue("monkeypatch").setitem(sys.modules, "documented_tenants", module)
    given = {
        "CRAFTKIT": {"TENANTS": "documented_tenants.Databases"},
        "DATABASE_ROUTERS": ["documented_tenants.Router"],
    }
    with override_settings(**given):
        assert checks.run_checks(tags=["craftkit"]) == []
        assert tenants.names() == ["north", "south"]
        assert (tenants.current(), database()) == ("", "default")
        for name, alias in names["ALIASES"].items():
            with tenants.enter(name):
                assert (tenants.current(), database()) == (name, alias)
                assert Render.objects.all().db == alias


@scene
def scene_tasks_settings(stage: Stage) -> Scene:
    names = yield {"INSTALLED_APPS": []}
    assert names["INSTALLED_APPS"] == ["django_tasks_db"]
    with override_settings(CRAFTKIT=names["CRAFTKIT"], TASKS=names["TASKS"]):
        found = checks.run_checks(tags=["craftkit"], include_deployment_checks=True)
    assert [one.msg for one in found if "TASKS" in one.msg] == []


@scene
def scene_resolver_settings(stage: Stage) -> Scene:
    names = yield {}
    # Where the reader's app is.
    patch = stage.getfixturevalue("monkeypatch")
    patch.setitem(sys.modules, "accounts", ModuleType("accounts"))
    patch.setitem(sys.modules, "accounts.organizations", organizations)
    given = {name: names[name] for name in ("CRAFTKIT_PROJECTS", "CRAFTKIT")}
    with override_settings(**given):
        assert checks.run_checks(tags=["craftkit"]) == []
        assert list(credentials.project_aliases()) == []


@scene
def scene_urls(stage: Stage) -> Scene:
    names = yield {"urlpatterns": []}
    module = ModuleType("documented_urls")
    vars(module).update(names)
    assert reverse("craftkit:webhook", module, args=["default"]) == "/craftkit/webhooks/default"


# The HTTP API.


@scene
def scene_api_urls(stage: Stage) -> Scene:
    names = yield {"urlpatterns": []}
    module = ModuleType("documented_urls")
    vars(module).update(names)
    assert reverse("craftkit-api:render-list", module) == "/api/craftkit/renders/"
    assert reverse("craftkit-api:share-revoke", module, [1]) == "/api/craftkit/shares/1/revoke/"


@scene
def scene_api_settings(stage: Stage) -> Scene:
    names = yield {}
    user = get_user_model().objects.create_user("customer")
    account = Account.objects.create(owner=user)
    own = Render.objects.request("invoice", {}, source=account)
    Render.objects.request("invoice", {}, source=_order(stage))
    request = RequestFactory().get("/")
    request.user = user
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert checks.run_checks(tags=["craftkit"]) == []
        assert list(narrowed(Render.objects.all(), request)) == [own]


@scene
def scene_api_queryset(stage: Stage) -> Scene:
    names = yield {}
    _asked(_order(stage))
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.create_user("somebody")
    assert not names["documents"](Render.objects.all(), request).exists()
    request.user.groups.create(name="Back office")
    assert names["documents"](Render.objects.all(), request).count() == 1


def _rules(stage: Stage, **functions: object) -> None:
    """Put functions where ``shop.rules`` would have them."""
    module = ModuleType("shop.rules")
    vars(module).update(functions)
    stage.getfixturevalue("monkeypatch").setitem(sys.modules, module.__name__, module)
    shop = ModuleType("shop")
    stage.getfixturevalue("monkeypatch").setitem(sys.modules, shop.__name__, shop)


def _accounts() -> tuple[Any, Render, Render]:
    """Return a clerk, and a document of the clerk's group and one of another's."""
    users = get_user_model().objects
    clerk, *owners = (users.create_user(name) for name in ("clerk", "one", "another"))
    group = Group.objects.create(name="One")
    clerk.groups.add(group)
    owners[0].groups.add(group)
    accounts = [Account.objects.create(owner=owner) for owner in owners]
    mine, others = (Render.objects.request("invoice", {}, source=one) for one in accounts)
    return clerk, mine, others


@scene
def scene_mail_pdf(stage: Stage) -> Scene:
    receivers = signals.render_succeeded.receivers[:]
    # Since Django 6.1 a site says by which mailer it sends.
    backend = "django.core.mail.backends.locmem.EmailBackend"
    stage.getfixturevalue("settings").MAILERS = {"default": {"BACKEND": backend}}
    yield {}
    try:
        _ready(stage)
        (message,) = mail.outbox
        ((name, content, kind),) = message.attachments
        assert (name, kind) == ("invoice.pdf", "application/pdf")
        assert content.startswith(b"%PDF-")
    finally:
        signals.render_succeeded.receivers = receivers
        signals.render_succeeded.sender_receivers_cache.clear()


@scene
def scene_queue(stage: Stage) -> Scene:
    names = yield {}
    app = Celery("documented", set_as_current=False)
    app.conf.task_routes = names["CELERY_TASK_ROUTES"]
    tasks = {one["task"] for one in beat_schedule().values()} | {"craftkit.advance"}
    queues = {app.amqp.router.route({}, task)["queue"].name for task in tasks}
    assert queues == {"craftkit"}
    assert tasks <= {name for name in current_app.tasks if name.startswith("craftkit.")}


@scene
def scene_s3(stage: Stage) -> Scene:
    names = yield {}
    with override_settings(STORAGES=names["STORAGES"]):
        assert archive_storage().bucket_name == "my-project"


@scene
def scene_replica(stage: Stage) -> Scene:
    names = yield {}
    with override_settings(DATABASE_ROUTERS=[names["ReplicaRouter"]()]):
        assert Render.objects.all().db == "replica"
        assert Render.objects.writer().db == database() == "default"


@scene
def scene_health(stage: Stage) -> Scene:
    names = yield {}
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert checks.run_checks(tags=["craftkit"]) == []
        headers = {"Authorization": f"Bearer {names['CRAFTKIT']['HEALTH_TOKEN']}"}
        answer = Client().get(reverse("craftkit:health"), headers=headers)
        assert answer.status_code == 503
        shown = pages.blocks("json")
        (told,) = [json.loads(one.text) for one in shown if one.page.name == "monitoring.md"]
        assert answer.json().keys() == told.keys()
        assert answer.json()["projects"]["default"].keys() == told["projects"]["default"].keys()


@scene
def scene_metrics(stage: Stage) -> Scene:
    names = yield {}
    assert names["numbers"].health.problems


@scene
def scene_prometheus(stage: Stage) -> Scene:
    names = yield {}
    module = ModuleType("documented_metrics")
    module.urlpatterns = names["urlpatterns"]  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=module):
        answer = Client().get("/metrics/")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "craftkit_problems 1.0" in answer.content.decode()


@scene
def scene_logging(stage: Stage) -> Scene:
    names = yield {}
    kit, capture = _kit(stage), stage.getfixturevalue("capsys")
    package = logging.getLogger("django_craftkit")
    before = (package.handlers[:], package.level, package.propagate)
    logging.config.dictConfig(names["LOGGING"])
    try:
        kit.sandbox.faults.add("status", status=400, code="invalid_request", path="*/render")
        render = _asked(_order(stage))
        kit.run()
        said = capture.readouterr().err
    finally:
        package.handlers, package.propagate = before[0], before[2]
        package.setLevel(before[1])
    start = f"project=default kind=render object={render.pk} attempt=1 Document {render.pk}"
    assert f"WARNING django_craftkit.reconcile.renders.states {start}" in said


@scene
def scene_visible_rule(stage: Stage) -> Scene:
    names = yield {}
    clerk, mine, _ = _accounts()
    boss = get_user_model().objects.create_superuser("boss")
    renders = Render.objects.all()
    request = RequestFactory().get("/")
    for user, expected in ((clerk, [mine]), (AnonymousUser(), [])):
        request.user = user
        assert list(names["visible"](renders, request)) == expected
    request.user = boss
    assert names["visible"](renders, request) is renders


@scene
def scene_visible_settings(stage: Stage) -> Scene:
    names = yield {}
    _rules(stage, visible=lambda queryset, request: queryset)
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert checks.run_checks(tags=["craftkit"]) == []


@scene
def scene_visible_form(stage: Stage) -> Scene:
    names = yield {}
    clerk, mine, others = _accounts()
    request = RequestFactory().get("/")
    request.user = clerk
    _rules(stage, visible=lambda queryset, request: queryset.filter(pk=mine.pk))
    form = names["FiledAdmin"](Share, admin.site)
    with override_settings(CRAFTKIT={"VISIBLE": "shop.rules.visible"}):
        field = form.formfield_for_foreignkey(Share._meta.get_field("render"), request)
        assert field.clean(mine.pk) == mine
        with pytest.raises(ValidationError):
            field.clean(others.pk)


@scene
def scene_visible_view(stage: Stage) -> Scene:
    _kit(stage)
    names = yield {}
    clerk, mine, others = _accounts()
    shares = [render.share() for render in (mine, others)]
    Share.objects.update(status="active")
    request = RequestFactory().get("/")
    request.user = clerk
    with override_settings(CRAFTKIT={"VISIBLE": "django_craftkit.visibility.own_documents"}):
        assert list(names["overview"](request, [mine.source])) == []
    _rules(stage, visible=lambda queryset, request: queryset.filter(pk=mine.pk))
    accounts = [mine.source, others.source]
    with override_settings(CRAFTKIT={"VISIBLE": "shop.rules.visible"}):
        assert list(names["overview"](request, accounts)) == shares[:1]
    assert [len(one._craftkit_renders) for one in accounts] == [1, 0]


@scene
def scene_api_viewset(stage: Stage) -> Scene:
    names = yield {}
    render = _ready(stage)
    user = get_user_model().objects.create_superuser("boss")
    module = ModuleType("documented_urls")
    module.urlpatterns = names["router"].urls  # type: ignore[attr-defined]
    client = Client()
    client.force_login(user)
    with override_settings(ROOT_URLCONF=module):
        shown = client.get(f"/documents/{render.pk}/").json()
        assert set(shown) == {"id", "template", "status", "is_final", "requested_at"}
        assert client.get(f"/documents/{render.pk}/pdf/").status_code == 200
        assert client.post(f"/documents/{render.pk}/withdraw/").status_code == 403
        assert len(client.get("/documents/?key=odd").json()["results"]) == 1


# Downloads.


@scene
def scene_download_url(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {"render": render}
    client = Client()
    with override_settings(LOGIN_URL="/login/"):
        assert client.get(names["url"]).status_code == 302
    client.force_login(get_user_model().objects.create_user("somebody"))
    assert client.get(names["url"]).status_code == 403
    client.force_login(get_user_model().objects.create_superuser("boss"))
    assert client.get(names["url"]).status_code == 200


@scene
def scene_download_settings(stage: Stage) -> Scene:
    # Its settings are taken before the snippet's, and so given back after them.
    _kit(stage)
    names = yield {}
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert checks.run_checks(tags=["craftkit"]) == []
        _open_own(stage)


@scene
def scene_download_rule(stage: Stage) -> Scene:
    _kit(stage)
    names = yield {}
    module = ModuleType("documented_rules")
    module.may_download = names["may_download"]  # type: ignore[attr-defined]
    stage.getfixturevalue("monkeypatch").setitem(sys.modules, module.__name__, module)
    options = {"DOWNLOAD_PERMISSION": "documented_rules.may_download"}
    with override_settings(CRAFTKIT={**options, "API_OWNERS": {"shop.Account": "owner"}}):
        render = _open_own(stage)
        client = Client()
        client.force_login(get_user_model().objects.create_superuser("boss"))
        assert client.get(render.get_download_url()).status_code == 200


def _open_own(stage: Stage) -> Render:
    """Open one's own document, and not another's; return one's own."""
    user = get_user_model().objects.create_user("customer")
    account = Account.objects.create(owner=user)
    own = Render.objects.request("invoice", {}, source=account)
    other = _ready(stage)
    client = Client()
    client.force_login(user)
    assert client.get(own.get_download_url()).status_code == 200
    assert client.get(other.get_download_url()).status_code == 404
    return own


@scene
def scene_download_guest(stage: Stage) -> Scene:
    render = _ready(stage)
    names = yield {"render": render}
    assert Client().get(names["url"]).status_code == 200
    render.withdraw()
    assert Client().get(names["url"]).status_code == 410


@scene
def scene_download_unrecorded(stage: Stage) -> Scene:
    names = yield {}
    render = _ready(stage)
    with override_settings(CRAFTKIT=names["CRAFTKIT"]):
        assert checks.run_checks(tags=["craftkit"]) == []
        url = render.get_download_url(guest=True, expires=60)
        assert Client().get(url).status_code == 200
    assert not render.events.exists()


# Embedding.


def _note(stage: Stage) -> Order:
    """Return an order, whose delivery note is a form at Craftkit."""
    manifest = {"variables": [{"key": "number", "label": "Number", "dataType": "text"}]}
    _kit(stage).put_template("delivery-note", {**manifest, "loops": []})
    return _order(stage)


@scene
def scene_embed_view(stage: Stage) -> Scene:
    order, factory = _note(stage), RequestFactory()
    names = yield {}
    names["render"] = lambda request, template, context: HttpResponse(context["session"].url)
    request = factory.get("/")
    request.user = get_user_model().objects.create_user("somebody")
    with pytest.raises(PermissionDenied):
        names["delivery_note"](request, order.pk)
    request.user = get_user_model().objects.create_superuser("boss")
    answer = names["delivery_note"](request, order.pk)
    assert b"/embed/form?" in answer.content
    assert answer.headers["Cache-Control"] == "private, no-store"
    (session,) = _kit(stage).sandbox.embed_sessions
    assert session.new.form.prefill == {"number": order.number}
    _kit(stage).sandbox.project().embed_enabled = False
    assert names["delivery_note"](request, order.pk).status_code == 503


@scene
def scene_embed_tenant(stage: Stage) -> Scene:
    yield {"order": _note(stage)}
    (session,) = _kit(stage).sandbox.embed_sessions
    assert session.new.tenant.external_id == "acme"
    assert session.new.actor.display_name == "Jane Doe"


@scene
def scene_embed_guest(stage: Stage) -> Scene:
    names = yield {"order": _note(stage)}
    assert Client().get(names["url"]).status_code == 200
    assert Client().post(names["url"]).status_code == 200


@scene
def scene_embed_once(stage: Stage) -> Scene:
    order, factory = _note(stage), RequestFactory()
    names = yield {}
    shown: list[str] = []
    names["render"] = lambda request, template, status=200: (
        shown.append(template) or HttpResponse(status=status)
    )
    token = signing.dumps(order.pk, salt="survey")
    _kit(stage).put_template("survey", {"variables": [], "loops": []})
    assert names["survey"](factory.get("/"), token).status_code == 200
    assert _kit(stage).sandbox.embed_sessions == []
    assert names["survey"](factory.post("/"), token).status_code == 200
    (session,) = _kit(stage).sandbox.embed_sessions
    _kit(stage).sandbox.submit_form(session.id, {})
    _kit(stage).run()
    for request in (factory.get("/"), factory.post("/")):
        assert names["survey"](request, token).status_code == 410
    assert shown == ["survey.html", "thanks.html", "thanks.html"]
    with pytest.raises(Http404):
        names["survey"](factory.get("/"), "x")


@scene
def scene_embed_first(stage: Stage) -> Scene:
    stage.getfixturevalue("quiet")
    yield {}
    order = _submit(stage, "survey", stars=5)
    session = EmbedSession.objects.note("default", minted(), source=order)
    store(form_event(session.remote_id, templateSlug="survey", data={"stars": 1}))
    _kit(stage).run()
    assert FormSubmission.objects.for_object(order).count() == 2
    (document,) = _kit(stage).renders
    assert document.data == {"stars": 5}


@scene
def scene_embed_builder(stage: Stage) -> Scene:
    _kit(stage).put_template("invoice", {"variables": [], "loops": []})
    request = RequestFactory().get("/")
    request.user = get_user_model().objects.create_superuser("boss")
    yield {"request": request, "create_session": create_session}
    edited, new = _kit(stage).sandbox.embed_sessions
    assert (edited.mode, new.mode) == ("edit", "create")
    assert edited.may("publish")
    assert new.may("publish")


@scene
def scene_embed_policy(stage: Stage) -> Scene:
    names = yield {}
    project = {"API_KEY": "ck_live_1", "WEBHOOK_SECRETS": ["whsec"]}
    with override_settings(CRAFTKIT_PROJECTS={"default": project}, SECURE_CSP=names["SECURE_CSP"]):
        assert checks.run_checks(tags=["craftkit"], include_deployment_checks=True) == []


@scene
def scene_embed_test(stage: Stage) -> Scene:
    yield {"craftkit": _kit(stage), "order": _order(stage)}


@scene
def scene_api_throttling(stage: Stage) -> Scene:
    names = yield {}
    given = names["REST_FRAMEWORK"]
    (path,) = given["DEFAULT_THROTTLE_CLASSES"]
    throttle = import_string(path)
    assert set(given["DEFAULT_THROTTLE_RATES"]) == {READ, WRITE, MAIL}
    assert all(
        throttle.parse_rate(throttle, one) for one in given["DEFAULT_THROTTLE_RATES"].values()
    )


# The client and the sandbox.


def _client(stage: Stage, sandbox: Sandbox) -> Callable[..., client.Craftkit]:
    return partial(client.Craftkit, adapter=lambda: SandboxAdapter(sandbox), max_retries=0)


@scene
def scene_client(stage: Stage) -> Scene:
    sandbox = Sandbox(lenient=True)
    monkeypatch = stage.getfixturevalue("monkeypatch")
    monkeypatch.chdir(stage.getfixturevalue("tmp_path"))
    monkeypatch.setenv("CRAFTKIT_API_KEY", "ck_test_sandbox")
    monkeypatch.setattr(client, "Craftkit", _client(stage, sandbox))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield {}
    path = stage.getfixturevalue("tmp_path") / "invoice.pdf"
    assert path.read_bytes() == sandbox.renders[0].pdf()


@scene
def scene_get_client(stage: Stage) -> Scene:
    _kit(stage).put_template("invoice", {"variables": [], "loops": []})
    printed = stage.getfixturevalue("capsys")
    yield {}
    assert printed.readouterr().out == "invoice 1\n"


@scene
def scene_maybe_handled(stage: Stage) -> Scene:
    sandbox = Sandbox(lenient=True)
    craftkit = _client(stage, sandbox)("ck_test_sandbox")
    render = craftkit.renders.render("invoice", {})
    craftkit.renders.get(render.id)
    sandbox.faults.add("cut_after", path="*/shares")
    names = yield {"craftkit": craftkit, "render": render}
    assert [found.message for found in names["shares"]] == ["Your invoice"]


@scene
def scene_mint(stage: Stage) -> Scene:
    refreshed = MINTED | {"renew_token": "ert_the_next"}
    with responses.RequestsMock() as api:
        api.post(SESSIONS_URL, json=MINTED)
        api.post(REFRESH_URL, json=refreshed)
        names = yield {"craftkit": client.Craftkit("ck_test_x"), "template_id": SESSION}
        first, second = (json.loads(call.request.body or "") for call in api.calls)
    assert first["scope"]["templateExternalId"] == SESSION
    assert first["form"]["captureMode"] == "collect"
    assert second == {"renewToken": MINTED["renew_token"]}
    assert MINTED["iframe_url"] in names["frame"]
    assert names["session"].renew_token.reveal() == "ert_the_next"


@scene
def scene_submit(stage: Stage) -> Scene:
    folder = stage.getfixturevalue("tmp_path")
    stage.getfixturevalue("monkeypatch").chdir(folder)
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    url = f"{BASE}/v1/embed/form-submit/{SESSION}"
    queued = {"id": SESSION, "status": "queued"}
    with responses.RequestsMock() as api:
        api.post(f"{url}/upload-image", json=IMAGE)
        api.post(url, json=queued, status=202)
        api.get(f"{BASE}/v1/embed/renders/{SESSION}", json=queued | {"status": "succeeded"})
        names = yield {"session": client.EmbedSession.from_json(MINTED)}
        assert json.loads(api.calls[1].request.body or "")["data"]["photo"] == IMAGE["url"]
    assert names["render"].status == "succeeded"


@scene
def scene_hook(stage: Stage) -> Scene:
    _environment(stage, CRAFTKIT_HOOK_TOKEN="whk_1", CRAFTKIT_HOOK_SECRET="whsec_1")
    with responses.RequestsMock() as api:
        api.post(f"{BASE}/v1/hooks/whk_1", json={"id": SESSION, "status": "queued"}, status=202)
        names = yield {}
        assert "X-Craftkit-Signature" in api.calls[0].request.headers
    assert names["render"].status == "queued"


@scene
def scene_account(stage: Stage) -> Scene:
    _environment(stage, CRAFTKIT_ACCOUNT_KEY="ck_acct_1")
    with responses.RequestsMock() as api:
        api.post(PROJECTS_URL, json=PROJECT, status=201)
        api.post(f"{PROJECTS_URL}/{PROJECT['id']}/keys", json=KEYED, status=201)
        names = yield {}
    assert names["key"].reveal() == KEYED["key"]


@scene
def scene_provision(stage: Stage) -> Scene:
    _environment(stage, CRAFTKIT_ADMIN_KEY="admin")
    with responses.RequestsMock() as api:
        api.post(PROVISION_URL, json=PROVISIONED)
        api.patch(PROVISION_URL, json={})
        names = yield {}
        assert json.loads(api.calls[1].request.body or "")["emailFrom"] == "post@acme.example"
    assert names["project"].api_key.reveal() == PROVISIONED["apiKey"]


def _environment(stage: Stage, **values: str) -> None:
    for name, value in values.items():
        stage.getfixturevalue("monkeypatch").setenv(name, value)


@scene
def scene_sandbox(stage: Stage) -> Scene:
    yield {}


@scene
def scene_inbound_hook(stage: Stage) -> Scene:
    sandbox = Sandbox()
    with SandboxServer(sandbox) as server:
        yield {"sandbox": sandbox, "server": server}
    assert [render.template for render in sandbox.renders] == ["invoice"]


# Tests of a reader's own. Those of `tests` are called by test_snippets.py, one by one.


@scene
def scene_unittest(stage: Stage) -> Scene:
    names = yield {}
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(names["InvoiceTests"])
    result = suite.run(unittest.TestResult())
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


@scene
def scene_list(stage: Stage) -> Scene:
    order = _order(stage)
    _asked(order)
    shown = {}

    def render(request: Any, template: str, context: dict[str, Any]) -> str:
        shown.update(context)
        return template

    names = yield {"Order": Order, "Render": Render, "render": render}
    assert names["order_list"](RequestFactory().get("/")) == "orders.html"
    assert [len(one._craftkit_renders) for one in shown["orders"]] == [1]


@scene
def scene_first(stage: Stage) -> Scene:
    _kit(stage)
    folder = stage.getfixturevalue("tmp_path")
    stage.getfixturevalue("monkeypatch").chdir(folder)
    names = yield {}
    assert names["render"].status == "succeeded"
    assert (folder / "invoice.pdf").read_bytes().startswith(b"%PDF-")
