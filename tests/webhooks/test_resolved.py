"""Webhooks of projects that a resolver knows: verified by its secrets, however strangers call."""

from __future__ import annotations

import pytest
from django.test import override_settings

from django_craftkit import credentials
from django_craftkit.models import WebhookDelivery
from django_craftkit.webhooks import views

PATH = "/craftkit/webhooks/acme/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def strangers(monkeypatch) -> views.Strangers:
    strangers = views.Strangers()
    monkeypatch.setattr(views, "_strangers", strangers)
    return strangers


@pytest.fixture(autouse=True)
def _acme(store, wakes) -> None:
    store.entries["acme"] = {"WEBHOOK_SECRETS": ["old", "new"]}


def stored() -> list[str]:
    return list(WebhookDelivery.objects.values_list("project", flat=True))


def test_is_verified_by_any_of_its_secrets(send, store):
    assert send(path=PATH, secret=b"old").status_code == 200
    assert send(path=PATH, secret=b"new").status_code == 200
    assert send(path=PATH, secret=b"other").status_code == 401
    assert send(path=PATH, secret=b"whsec-tests").status_code == 401, "another project's"
    assert stored() == ["acme", "acme"]
    assert store.questions("acme") == 1


def test_of_an_unknown_project_is_answered_as_a_wrong_signature_is(send):
    unknown, wrong = send(path="/craftkit/webhooks/nobody/"), send(path=PATH, secret=b"other")
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)
    assert unknown.status_code == 401


def test_comes_again_where_the_resolver_can_not_tell(send, store, caplog):
    def down() -> None:
        raise ConnectionError("vault:s3cret@host")

    store.before = down
    assert send(path=PATH, secret=b"new").status_code == 503
    assert "s3cret" not in caplog.text
    store.before = bool
    credentials.forget()
    assert send(path=PATH, secret=b"new").status_code == 200


def test_of_strangers_ask_the_resolver_a_hundred_times_at_most(send, store, refusals, monkeypatch):
    monkeypatch.setattr(views, "MOST_STRANGE", 5)
    assert send(path=PATH, secret=b"new").status_code == 200
    answers = [send(path=f"/craftkit/webhooks/none-{n}/").status_code for n in range(20)]
    assert answers == [401] * 5 + [503] * 15
    assert len(store.asked) == 6
    assert list(refusals._next) == [None]

    assert send(path=PATH, secret=b"new").status_code == 200, "who is known is heard"
    credentials.forget()
    assert send(path="/craftkit/webhooks/default", secret=b"whsec-tests").status_code == 200
    assert send(path=PATH, secret=b"new").status_code == 503, "and comes again"
    monkeypatch.setattr(views, "STRANGE_SECONDS", 0.0)
    assert send(path=PATH, secret=b"new").status_code == 200


def test_of_strangers_wear_out_no_store_that_is_down_nor_the_log(
    send, store, refusals, monkeypatch, caplog
):
    def down() -> None:
        raise ConnectionError("vault:s3cret@host")

    monkeypatch.setattr(views, "MOST_STRANGE", 5)
    store.before = down
    for number in range(20):
        assert send(path=f"/craftkit/webhooks/none-{number}/").status_code == 503
    assert len(store.asked) == 5
    assert len(caplog.records) == 2, "of the store, and of the first webhook"
    assert len(refusals._unsaid[None]) == 2


def test_are_counted_only_where_somebody_is_asked(send, settings, monkeypatch):
    monkeypatch.setattr(views, "MOST_STRANGE", 5)
    without = {**settings.CRAFTKIT, "PROJECT_RESOLVER": None}
    with override_settings(CRAFTKIT=without):
        for number in range(10):
            assert send(path=f"/craftkit/webhooks/none-{number}/").status_code == 401
    assert send(path=PATH, secret=b"new").status_code == 200


def test_ask_nothing_of_the_resolver_by_what_can_be_no_alias(send, store):
    for alias in ("%00", "a%20b", "x" * 65):
        assert send(path=f"/craftkit/webhooks/{alias}/").status_code == 401
    assert store.asked == []


def test_refused_of_thousands_of_projects_are_remembered_of_so_many(send, store, monkeypatch):
    monkeypatch.setattr(views, "MOST", 3)
    refusals = views.Refusals()
    monkeypatch.setattr(views, "_refusals", refusals)
    for number in range(10):
        store.entries[f"tenant-{number}"] = {"WEBHOOK_SECRETS": ["s"]}
        for _ in range(2):
            assert send(path=f"/craftkit/webhooks/tenant-{number}/").status_code == 401
    assert list(refusals._next) == [("", f"tenant-{number}") for number in (7, 8, 9)]
    assert set(refusals._unsaid) <= set(refusals._next)
