"""``craftkit_replay``: webhooks worked off again, receivers called again."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_craftkit.models import Change, Render, WebhookDelivery
from django_craftkit.signals import render_succeeded
from tests.helpers import connected, settle

pytestmark = pytest.mark.django_db

DAY = timezone.timedelta(days=1)


def replay(*arguments: str) -> str:
    out = StringIO()
    call_command("craftkit_replay", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def delivery(number: int, status: str, **values: Any) -> WebhookDelivery:
    WebhookDelivery.objects.store("default", str(number), b'{"event": "?"}')
    rows = WebhookDelivery.objects.order_by("-pk")[:1]
    row = rows.get()
    values = {"status": status, "due_at": None, "processed_at": timezone.now(), **values}
    WebhookDelivery.objects.filter(pk=row.pk).update(**values)
    return row


def received() -> str:
    rows = WebhookDelivery.objects.filter(status="received")
    return "".join(sorted(rows.values_list("event", flat=True)))


@pytest.fixture
def inbox() -> None:
    delivery(1, "abandoned", event="a")
    delivery(2, "failed", event="b")
    delivery(3, "processed", event="c")
    delivery(4, "ignored", event="d")
    delivery(5, "abandoned", event="e", body=b"")
    delivery(6, "abandoned", event="f", project="eu")
    delivery(7, "abandoned", event="g", received_at=timezone.now() - 9 * DAY)


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        ([], "abfg"),
        (["--status", "ignored", "--status", "processed"], "cd"),
        (["--event", "b"], "b"),
        (["--project", "eu"], "f"),
        (["--since", "7d"], "abf"),
        (["--since", "2000-01-01"], "abfg"),
        (["--since", "2000-01-01T10:00:00+02:00"], "abfg"),
        (["--dry-run"], ""),
    ],
    ids=str,
)
def test_deliveries_that_are_named_are_worked_off_again(inbox, arguments, events, monkeypatch):
    monkeypatch.setattr("django_craftkit.management.commands.craftkit_replay.BATCH", 2)
    said = replay("deliveries", *arguments)
    assert received() == events
    assert f"{len(events)} webhooks" in said or "--dry-run" in arguments


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_day_is_the_sites(use_tz, settings):
    settings.USE_TZ = use_tz
    assert "0 webhooks" in replay("deliveries", "--since", "2000-01-01", "--dry-run")


def test_a_moment_that_is_none_is_refused(db):
    with pytest.raises(CommandError):
        replay("deliveries", "--since", "yesterday")


def test_receivers_that_failed_are_called_again(craftkit):
    heard: list[int] = []
    is_broken = True

    def receiver(instance: Render, **kwargs: object) -> None:
        if is_broken:
            raise ZeroDivisionError
        heard.append(instance.pk)

    with connected(receiver, render_succeeded):
        renders = [Render.objects.request("invoice", {}, key=str(n)) for n in range(2)]
        settle(craftkit, minutes=60 * 24)
        assert Change.objects.filter(announcement="abandoned").count() == 2
        is_broken = False
        assert "2 signals would be done again" in replay("signals", "--dry-run")
        assert "nothing" in replay("signals", "--signal", "render_failed")
        assert "2 signals" in replay("signals", "--since", "3d")
        settle(craftkit)
    assert sorted(heard) == sorted(one.pk for one in renders)
    assert "nothing" in replay("signals")
