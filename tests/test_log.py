"""What is logged is one line a message, whatever characters keys, names and errors are made of."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import django_craftkit
from django_craftkit.log import FIELDS, LONGEST, about, get_logger
from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    Render,
    RenderFailed,
    SignatureRecipient,
    SignatureRequest,
    WebhookDelivery,
)
from tests.helpers import settle

ODD = [
    "7\n2026-01-01 ERROR django: forged",
    "7\r\x1b[2Kforged",
    "7\u2028forged",
    "7\u202eforged",
    "7\x85forged",
    "7\ttab",
]
odd = pytest.mark.parametrize("text", ODD, ids=ascii)


@odd
@pytest.mark.parametrize("made", [str, ValueError], ids=["a text", "an error"])
def test_a_message_is_one_line(caplog, text, made):
    get_logger("django_craftkit.any").warning("%s has %d of %.1f %r.", made(text), 3, 0.25, text)
    assert caplog.messages[0].isprintable()
    assert "3 of 0.2" in caplog.messages[0]


def test_a_text_has_an_end(caplog):
    get_logger("django_craftkit.any").warning("%s", "x" * 100_000)
    assert len(caplog.messages[0]) == LONGEST


def test_a_logger_says_where_it_was_called(caplog):
    get_logger("django_craftkit.any").warning("%s", "here")
    assert Path(caplog.records[0].pathname) == Path(__file__)


def test_a_line_has_the_fields_of_the_row_that_it_names(caplog):
    logger = get_logger("django_craftkit.any")
    job = Job(kind="archive render", object_id=7, project="eu", attempts=2)
    change = Change(kind="share", object_id=3, attempt=4, to_status="active")
    logger.warning("%s stopped: %s", job, ValueError("no"))
    logger.warning("%s", change)
    logger.warning("%d rows", 3)
    logger.warning("A template", extra={"project": "eu"})
    found = [tuple(getattr(one, name) for name in FIELDS) for one in caplog.records]
    assert found == [
        ("eu", "archive render", 7, 2),
        ("", "share", 3, 4),
        ("", "", None, None),
        ("eu", "", None, None),
    ]


@pytest.mark.django_db
def test_nothing_is_read_for_a_field(django_assert_num_queries):
    pk = Render.objects.request("invoice", {}).pk
    render = Render.objects.only("status").get(pk=pk)
    with django_assert_num_queries(0):
        told = about(render)
    assert told == {"project": "", "kind": "render", "object": pk, "attempt": None}


def test_every_module_logs_so():
    package = Path(django_craftkit.__file__).parent
    others = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if "logging.getLogger(" in path.read_text()
    }
    assert others == {"log.py", "sandbox"}


@odd
def test_a_row_is_called_by_one_line(text):
    render = Render(template="invoice", key=text, error=text, status="failed")
    for row in (
        render,
        SignatureRequest(name=text),
        SignatureRequest(render=render),
        SignatureRecipient(first_name=text, email=text),
        WebhookDelivery(event=text),
        EngagementEvent(type=text),
        Change(kind="engagement", object_id=1, to_status=text),
        RenderFailed(Render(template="invoice", key=text)),
    ):
        assert str(row).isprintable()
    assert str(Render(template="invoice", key="Rechnung 7 – März")) == "invoice Rechnung 7 – März"


@odd
@pytest.mark.django_db
def test_a_key_forges_no_line_on_its_way(craftkit, caplog, text):
    render = Render.objects.request("invoice", {}, key=text)
    settle(craftkit)
    render.refresh_from_db()
    render.record("viewed")
    craftkit.sandbox.faults.add("status", status=422, path="*/events", message=text)
    caplog.set_level(logging.INFO)
    craftkit.run()
    said = [line.getMessage() for line in caplog.records if "does not take" in line.getMessage()]
    assert len(said) == 1
    assert all(line.isprintable() for line in caplog.messages)


@odd
@pytest.mark.django_db
def test_a_key_of_any_characters_stands_for_its_document(text):
    render = Render.objects.request("invoice", {}, key=text)
    assert Render.objects.request("invoice", {}, key=text) == render
    assert Render.objects.get().key == text


@pytest.mark.parametrize("text", [*ODD, "a\0b", "\ud800"], ids=ascii)
@pytest.mark.django_db
def test_a_slug_that_can_t_be_printed_is_refused(text):
    with pytest.raises(ValueError, match="printable") as refusal:
        Render.objects.request(text, {})
    assert str(refusal.value).isprintable()
    assert not Render.objects.exists()
