"""What is compared with the database's clock is written by it: a web server's may be off."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from django_craftkit import clock
from django_craftkit.models import Job, WebhookDelivery
from django_craftkit.statements import _insertion
from tests.seams import claim

pytestmark = pytest.mark.django_db

SITES = [
    {"USE_TZ": True},
    {"USE_TZ": True, "TIME_ZONE": "Pacific/Kiritimati"},
    {"USE_TZ": False, "TIME_ZONE": "Asia/Kolkata"},
    {"USE_TZ": False, "TIME_ZONE": "America/St_Johns"},
]

WRITES = {
    "a first job": lambda: Job.objects.start("render", 1, "", 1),
    "a job that is asked for": lambda: Job.objects.request("render", [1]),
    "a job that is asked for again": lambda: (
        Job.objects.create(
            kind="render", object_id=1, due_at=clock.database_now() + timedelta(days=1)
        ),
        Job.objects.request("render", [1]),
    ),
    "a webhook": lambda: WebhookDelivery.objects.store("default", "1", b"{}"),
    "a webhook that is worked off again": lambda: (
        WebhookDelivery.objects.store("default", "1", b"{}"),
        WebhookDelivery.objects.update(due_at=None),
        WebhookDelivery.objects.replay(WebhookDelivery.objects.values_list("pk", flat=True)),
    ),
}


@pytest.fixture(params=SITES, ids=str)
def site(request):
    with override_settings(**request.param):
        _insertion.cache_clear()
        yield
    _insertion.cache_clear()


@pytest.mark.parametrize("ahead", [timedelta(hours=1), -timedelta(hours=1)], ids=["fast", "slow"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_web_clock_that_is_off_delays_nothing(site, monkeypatch, write, ahead):
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + ahead)
    write()
    row = Job.objects.first() or WebhookDelivery.objects.get()
    assert abs(clock.database_now() - row.due_at) < timedelta(minutes=1)
    if isinstance(row, WebhookDelivery):
        assert abs(clock.database_now() - row.received_at) < timedelta(minutes=1)
    model = type(row)
    assert len(claim(model.objects.all(), now=clock.database_now())) == 1


def test_a_webhook_under_an_id_that_a_database_refuses_is_stored(db):
    """MariaDB takes no UUID of a version that there isn't."""
    for number in (1, 2):
        WebhookDelivery.objects.store(
            "default", f"eccbc87e-4b5c-e2fe-2830-8fd9f2a7baf{number}", b"{}"
        )
    assert WebhookDelivery.objects.count() == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Others don't compare texts.")
@pytest.mark.parametrize("fraction", ["000", "100", "120", "123"])
def test_a_moment_that_sqlite_writes_is_as_early_as_it_is(fraction):
    text = f"2026-11-29 18:30:50.{fraction}"
    written = clock.moment_sql(connection).replace("'now'", f"'{text}'")
    moment = datetime.fromisoformat(f"{text}+00:00")
    column = Job._meta.get_field("due_at")
    step = timedelta(milliseconds=1)
    others = [column.get_db_prep_value(moment + n * step, connection) for n in (-1, 0, 1)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([f'{written} <= %s'] * 3)}", others)
        assert cursor.fetchone() == (False, True, True)
