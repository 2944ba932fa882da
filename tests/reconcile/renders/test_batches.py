"""Many documents at a time: what is said of no other resource."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import transaction

from django_craftkit.models import Job, Render
from tests.helpers import TIMEOUT, Elsewhere, settle
from tests.reconcile.helpers import locks_rows
from tests.reconcile.resources import DOCUMENT
from tests.seams import together

pytestmark = pytest.mark.django_db(transaction=True)


@locks_rows
def test_who_asks_for_many_in_an_order_of_their_own_is_in_nobodys_way(
    craftkit, silent, monkeypatch, work
):
    renders = [DOCUMENT.named(None, str(number)) for number in range(8)]
    with together(monkeypatch, 8):
        work()
    craftkit.pass_time(5)
    first = threading.Event()

    def user():
        with transaction.atomic():
            Job.objects.schedule("render", [renders[-1].pk])
            first.set()
            time.sleep(0.2)
            for render in reversed(renders):
                Job.objects.schedule("render", [render.pk])

    someone = Elsewhere(user)
    assert first.wait(TIMEOUT)
    worker = Elsewhere(work)
    someone.wait()
    worker.wait()
    settle(craftkit)
    assert set(Render.objects.values_list("status", flat=True)) == {"succeeded"}
