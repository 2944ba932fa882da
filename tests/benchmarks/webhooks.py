"""Taking webhooks in, and applying them.

Both views are called through Django's WSGI handler with all its middleware, in this process, with
the same environ but for the path. A real server would add the same to both, which is several times
what they differ by, and pull any ratio towards 1: without it the measure is stricter, and steadier.
What the package's view does besides runs here too: the thread that sends its wakes, to Redis.
"""

from __future__ import annotations

import io
import json
import signal
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from django_craftkit.models import Change, Job, Render, WebhookDelivery
from django_craftkit.models.arguments import hash_key
from django_craftkit.signals import render_succeeded
from django_craftkit.webhooks.signature import sign

from .measure import Figure, empty, ratios, say, seconds, settle
from .models import BareDelivery
from .views import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .measure import Work

OURS, BARE = "/craftkit/webhooks/default/", "/bare/webhooks/default/"

application = WSGIHandler()


def intake(rounds: int, requests: int) -> list[Figure]:
    """The package's view against the bare one, in requests per second."""
    say(f"{requests} webhooks a round, by the package's view and by a bare one:")
    empty()

    def work(path: str) -> Work:
        return _requests(path, [uuid.uuid4() for _ in range(requests)])

    found = ratios(rounds, lambda: work(OURS), lambda: work(BARE))
    stored = (rounds + 1) * requests
    if (WebhookDelivery.objects.count(), BareDelivery.objects.count()) != (stored, stored):
        raise RuntimeError("A view did not store what it was sent.")
    return [
        Figure(
            "webhooks taken in per second, of a bare view's",
            [1 / each for each in found.time],
            at_least=1.0,
        ),
        Figure("CPU a webhook of the web process, of a bare view's", found.cpu, at_most=0.8),
    ]


def application_of(rounds: int, deliveries: int) -> list[Figure]:
    """One worker process against the web process that took the same deliveries in."""
    calls: list[Any] = []

    def listen(instance: Render, **kwargs: Any) -> None:
        calls.append(instance.pk)

    if render_succeeded.receivers_of(Render):
        raise RuntimeError("Somebody listens already.")
    say("Nobody listens:")
    silent = _applied(rounds, deliveries)
    say("Somebody listens:")
    rounds = max(rounds // 2, 1)
    render_succeeded.connect(listen)
    try:
        heard = _applied(rounds, deliveries)
        announced = _announced(rounds, deliveries)
    finally:
        render_succeeded.disconnect(listen)
    if len(calls) != 2 * (rounds + 1) * deliveries or len(set(calls)) != len(calls):
        raise RuntimeError("The receiver was not told of each document, once.")
    return [
        Figure("webhooks applied per second, of those taken in", silent, at_least=2.0),
        Figure("announcements with one receiver, of webhooks taken in", announced, at_least=2.0),
        Figure("webhooks applied and announced by one process, of those taken in", heard),
    ]


def _applied(rounds: int, deliveries: int) -> list[float]:
    """Take some in, apply them, and so on; the first round warms up."""
    say(f"{deliveries} webhooks a round, applied per second against taken in:")
    empty()
    remote_ids = _accepted((rounds + 1) * deliveries)
    settle()
    found = []
    for number in range(rounds + 1):
        requests = _requests(OURS, remote_ids[number * deliveries : (number + 1) * deliveries])
        taken = seconds(lambda work=requests: [request() for request in work])  # type: ignore[misc]
        applied = seconds(_work)
        found.append(taken / applied)
        say(
            f"  round {number} of {rounds}: "
            f"{deliveries / applied:.0f} against {deliveries / taken:.0f}"
        )
    ended = (
        WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PROCESSED).count(),
        Render.objects.filter(status=Render.Status.SUCCEEDED).count(),
        Change.objects.filter(to_status=Render.Status.SUCCEEDED).count(),
    )
    if set(ended) != {len(remote_ids)} or Job.objects.exists():
        raise RuntimeError(f"Of {len(remote_ids)} deliveries, {ended} became what they should.")
    return found[1:]


def _announced(rounds: int, changes: int) -> list[float]:
    """Take webhooks in, then announce as many changes that another process has written."""
    say(f"{changes} changes a round, announced per second against webhooks taken in:")
    empty()
    remote_ids = _accepted((rounds + 1) * changes)
    Job.objects.all().delete()
    Render.objects.update(status=Render.Status.SUCCEEDED)
    pks = list(Render.objects.order_by("pk").values_list("pk", flat=True))
    settle()
    found = []
    for number in range(rounds + 1):
        of_round = slice(number * changes, (number + 1) * changes)
        requests = _requests(OURS, remote_ids[of_round])
        taken = seconds(lambda work=requests: [request() for request in work])  # type: ignore[misc]
        WebhookDelivery.objects.all().delete()
        _change(pks[of_round])
        announced = seconds(_work)
        found.append(taken / announced)
        say(
            f"  round {number} of {rounds}: {changes / announced:.0f} against {changes / taken:.0f}"
        )
    if Change.objects.exclude(announcement=Change.Announcement.DONE).exists():
        raise RuntimeError("Some changes were not announced.")
    return found[1:]


@transaction.atomic
def _change(pks: Iterable[int]) -> None:
    """Write that documents have become ready, as a process does that goes on to other things."""
    Change.objects.record(
        Change(
            kind=Change.Kind.RENDER,
            object_id=pk,
            from_status=Render.Status.QUEUED,
            to_status=Render.Status.SUCCEEDED,
            cause=Change.Cause.WEBHOOK,
            signal=render_succeeded.name,
        )
        for pk in pks
    )


def _work() -> None:
    """Do what is due as a worker process does, in this one."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        call_command("craftkit_work", once=True, stdout=io.StringIO())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _accepted(count: int) -> list[uuid.UUID]:
    """Write documents that Craftkit has accepted, each with its job: the first poll is far off."""
    now = timezone.now() - timedelta(minutes=5)
    data = {
        "lines": [
            {"text": f"What was done on day {day}, and for whom", "price": f"{day * 7}.00"}
            for day in range(30)
        ]
    }
    renders = Render.objects.bulk_create(
        Render(
            template="invoice",
            key=f"invoice-{number}",
            key_hash=hash_key(f"invoice-{number}"),
            status=Render.Status.QUEUED,
            remote_id=uuid.uuid4(),
            accepted_at=now,
            data=data,
        )
        for number in range(count)
    )
    Job.objects.bulk_create(
        Job(
            kind=Job.Kind.RENDER,
            object_id=render.pk,
            project="default",
            due_at=now + timedelta(hours=2),
        )
        for render in renders
    )
    return [render.remote_id for render in renders if render.remote_id]


def _requests(path: str, remote_ids: Iterable[uuid.UUID]) -> Work:
    return [partial(_serve, _environ(path, _body(remote_id))) for remote_id in remote_ids]


def _serve(environ: dict[str, Any]) -> None:
    response = application(environ, lambda status, headers: None)
    list(response)
    response.close()
    if response.status_code != 200:
        raise RuntimeError(f"{environ['PATH_INFO']} answered {response.status_code}.")


def _body(remote_id: uuid.UUID) -> bytes:
    """An example of Craftkit's documentation, about this document and at a time of its own."""
    ended = datetime.now(UTC)
    payload = {
        "event": "render.succeeded",
        "renderId": str(remote_id),
        "templateId": "0193c2c3-0000-7aaa-8bbb-000000000000",
        "status": "succeeded",
        "downloadUrl": f"https://cdn.craftkit.dev/craftkit-renders/{remote_id}.pdf",
        "errorMessage": None,
        "createdAt": (ended - timedelta(seconds=2)).isoformat(),
        "completedAt": ended.isoformat(),
    }
    return json.dumps(payload).encode()


def _environ(path: str, body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "Craftkit-Webhook/1.0",
        "HTTP_X_CRAFTKIT_EVENT": "render.succeeded",
        "HTTP_X_CRAFTKIT_SIGNATURE": sign(body, SECRET),
        "HTTP_X_CRAFTKIT_TIMESTAMP": str(int(time.time())),
        "HTTP_X_CRAFTKIT_DELIVERY_ID": str(uuid.uuid4()),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
