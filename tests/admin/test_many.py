"""What is done to many selected rows takes as many queries as for a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_craftkit.admin.common.buttons import as_chosen
from django_craftkit.models import Change, Job, Render, Share, SignatureRequest

from .conftest import Desk, address, make_render, make_request, make_share

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def retry(desk: Desk, number: int) -> int:
    """Try documents again, each with errors of its own, some of them declared; one is ready."""
    rows = [
        make_render("failed", error=str(n), data={"n": n}, builder="x" * (n % 2))
        for n in range(number)
    ]
    ready = make_render("succeeded")
    queries = sent(
        desk,
        address(Render),
        {"action": "retry", "_selected_action": [row.pk for row in (*rows, ready)], "index": "0"},
    )
    pks = [row.pk for row in rows]
    found = Render.objects.filter(pk__in=pks).order_by("pk")
    assert {(row.status, row.attempt, row.error) for row in found} == {("pending", 2, "")}
    assert [row.data for row in found] == [None if n % 2 else {"n": n} for n in range(number)]
    changes = Change.objects.filter(object_id__in=pks, from_status="failed", person=desk.user)
    assert changes.count() == Job.objects.filter(kind="render", object_id__in=pks).count() == number
    ready.refresh_from_db()
    assert (ready.status, ready.attempt) == ("succeeded", 1)
    return queries


def withdraw(desk: Desk, number: int) -> int:
    rows = [make_render() for _ in range(number)]
    shares = [make_share(row) for row in rows]
    requests = [make_request(row) for row in rows]
    before = make_render(withdrawn_at="2026-01-01T00:00Z")
    url = reverse("admin:craftkit_render_withdraw_selected")
    queries = sent(desk, url, {"ids": as_chosen([*rows, before])})
    pks = [row.pk for row in rows]
    assert Render.objects.filter(pk__in=pks, withdrawn_by=desk.user).count() == number
    assert Change.objects.filter(object_id__in=pks, signal="render_withdrawn").count() == number
    unwanted = {"revoke_requested_by": desk.user, "pk__in": [row.pk for row in shares]}
    assert Share.objects.filter(**unwanted).count() == number
    cancelled = SignatureRequest.objects.filter(cancel_requested_by=desk.user)
    assert cancelled.filter(pk__in=[row.pk for row in requests]).count() == number
    for kind in ("render", "share", "signature", "engagement"):
        assert Job.objects.filter(kind=kind).count() >= number
    before.refresh_from_db()
    assert before.withdrawn_by is None
    return queries


def revoke(desk: Desk, number: int) -> int:
    render = make_render()
    rows = [make_share(render) for _ in range(number)]
    before = make_share(render, "revoked")
    url = reverse("admin:craftkit_share_revoke")
    queries = sent(desk, url, {"ids": as_chosen([*rows, before])})
    mine = Share.objects.filter(pk__in=[row.pk for row in rows], revoke_requested_by=desk.user)
    assert mine.count() == number
    jobs = Job.objects.filter(kind="share", object_id__in=[row.pk for row in rows])
    assert jobs.count() == number
    before.refresh_from_db()
    assert before.revoke_requested_at is None
    return queries


def sent(desk: Desk, url: str, form: dict[str, Any]) -> int:
    logged = LogEntry.objects.count()
    with CaptureQueriesContext(connection) as queries:
        response = desk.post(url, {**form, "confirm": "1"})
    assert response.status_code == 302
    rows = form.get("_selected_action") or form["ids"]
    number = len(rows) if isinstance(rows, list) else len(rows.split(as_chosen(_TWO)[1]))
    # All but the one that there is nothing to do about.
    assert LogEntry.objects.count() - logged == number - 1
    return len(queries)


_TWO = [Render(pk=1), Render(pk=2)]


@pytest.mark.parametrize("act", [retry, withdraw, revoke])
def test_many_rows_take_as_many_queries_as_a_few(
    boss: Desk, monkeypatch: pytest.MonkeyPatch, act: Callable[[Desk, int], int]
) -> None:
    # Nothing is carried out while the person waits.
    monkeypatch.setattr("django_craftkit.admin.shares.buttons.timeout", lambda: 0.0)
    act(boss, 1)  # what a process looks up once
    # SQLite's parameters are counted: Django writes more rows than these in parts.
    number = 60 if connection.features.max_query_params else 200
    few, many = act(boss, 10), act(boss, number)
    assert few == many
    assert many <= 30
