"""When a document is polled: as often as is worth while, and ever less often."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

from django_craftkit import tenants
from django_craftkit.models import Render
from django_craftkit.reconcile.results import look_delay

if TYPE_CHECKING:
    from datetime import datetime

#: Seconds to the first poll, and how lately a webhook must have come for it to be put off.
FIRST_POLL, FIRST_POLL_WITH_WEBHOOKS = 1.0, 20.0
WEBHOOKS_LATELY = timedelta(hours=1)
#: Seconds between two polls, at most.
MAX_POLL = 900.0
#: Of how many templates it is known in how many seconds their documents are ready; how long the
#: first poll waits for that at most.
MOST_TEMPLATES, MAX_USUAL = 10_000, 60.0

#: How many documents a process looks at when it begins.
LAST = 200

#: In how many seconds documents are ready, by tenant, project and template, and by how many they
#: differ from it: as this process has seen it.
_usual: OrderedDict[tuple[str, str, str], tuple[float, float]] = OrderedDict()
#: The tenants of whose last documents it has learned.
_recalled: set[str] = set()


def recall() -> None:
    """Learn from a tenant's last documents, where this process has not yet."""
    if (tenant := tenants.current()) in _recalled:
        return
    _recalled.add(tenant)
    rows = Render.objects.writer().order_by("-pk")
    columns = rows.only("project", "template", "status", "accepted_at", "completed_at")
    for render in list(columns[:LAST])[::-1]:
        if render.status == Render.Status.SUCCEEDED:
            learn(render)


def learn(render: Render) -> None:
    """Take a document that is ready for what is usual of its template."""
    if render.accepted_at is None or render.completed_at is None:
        return
    name = _name(render)
    seconds = (render.completed_at - render.accepted_at).total_seconds()
    seconds = min(max(0.0, seconds), MAX_USUAL)
    usual, spread = _usual.get(name, (seconds, 0.1 * seconds))
    spread += 0.25 * (abs(seconds - usual) - spread)
    _usual[name] = (usual + 0.2 * (seconds - usual), spread)
    _usual.move_to_end(name)
    if len(_usual) > MOST_TEMPLATES:
        _usual.popitem(last=False)


def forget() -> None:
    """Take nothing for usual: what comes is another Craftkit."""
    _usual.clear()
    _recalled.clear()


def _name(render: Render) -> tuple[str, str, str]:
    return tenants.current(), render.project, render.template


def first_poll(render: Render, webhooks_at: datetime | None, now: datetime, waited: float) -> float:
    """Return the seconds to the first poll of a document that was accepted ``waited`` seconds ago.

    It comes when documents of its template are usually ready, and later where webhooks of its
    project have come lately.
    """
    lately = webhooks_at is not None and now - webhooks_at < WEBHOOKS_LATELY
    usual, spread = _usual.get(_name(render), (0.0, 0.0))
    # A little later, where they don't all take as long: most are ready then.
    ready = usual and 0.1 + usual + min(0.1 * usual, 4 * spread)
    return max(FIRST_POLL_WITH_WEBHOOKS if lately else FIRST_POLL, ready - waited)


def next_poll(render: Render, now: datetime) -> float:
    """Return the seconds to the next poll of a document that was polled."""
    began = render.accepted_at or render.attempted_at
    return poll_delay((now - began).total_seconds())


def poll_delay(age: float) -> float:
    """Return the seconds to the next poll of a document that is ``age`` seconds old."""
    if age < 1:
        return 1.0
    if age < 3:
        return 2.0
    return look_delay(age, 5.0, MAX_POLL)
