"""A worker with any of Celery's pools."""

from __future__ import annotations

import pytest
from django.db import connection

from django_craftkit.models import Job, Render, Share
from tests.shop.models import Order

pytestmark = pytest.mark.timeout(400)

greenlets = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="Its driver waits in C, where no other greenlet goes on.",
)


@pytest.mark.parametrize(
    "pool",
    [
        "solo",
        "threads",
        pytest.param("gevent", marks=greenlets),
        pytest.param("eventlet", marks=greenlets),
    ],
)
def test_documents_come_to_their_end(sandbox, workers, pool):
    renders = [Render.objects.request("invoice", {"number": number}) for number in range(8)]
    Order.objects.create(number="1", confirmed=True)
    renders[0].share(message="Here you are.")
    workers.start(pool=pool)
    workers.until(lambda: Render.objects.filter(status="succeeded").count() == 9)
    workers.until(lambda: Share.objects.get().status == "active")
    workers.until(lambda: not Job.objects.exists())
    assert len(sandbox.renders) == 9
    assert len(sandbox.shares) == 1
