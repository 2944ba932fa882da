"""Several threads and several loops: each job once, and no connection left behind."""

from __future__ import annotations

import threading

import pytest

from django_craftkit.models import Render
from django_craftkit.reconcile.loop import Loop
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_calls_are_under_way_at_the_same_time(craftkit, monkeypatch):
    together = threading.Barrier(3, timeout=20)
    send = SandboxAdapter.send

    def meet(self, request, *args, **kwargs):
        if request.method == "POST":
            together.wait()
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", meet)
    for number in range(3):
        Render.objects.request("invoice", {"number": number})
    Loop(threads=3, wake=None).run()
    assert len(craftkit.renders) == 3


def test_loops_at_once_do_each_job_once(craftkit):
    for number in range(30):
        Render.objects.request("invoice", {"number": number})
    assert at_once(*[lambda: Loop(threads=2, wake=None).run()] * 3) == [None] * 3
    posts = [call for call in craftkit.sandbox.requests if call.method == "POST"]
    assert len(posts) == 30
    assert Render.objects.filter(remote_id__isnull=False).count() == 30
