"""Following signature requests, in calls to Craftkit; and keeping what was signed, in memory.

Craftkit is the sandbox, in this process: what is counted is what it was asked.
"""

from __future__ import annotations

import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django_craftkit.clock import database_now
from django_craftkit.models import ArchivedFile, Job, ProjectState, Render, SignatureRequest
from django_craftkit.models.arguments import hash_key
from django_craftkit.projects import get_client
from django_craftkit.reconcile import archive, signatures
from django_craftkit.reconcile.results import Done, Reschedule
from django_craftkit.sandbox import Sandbox, SandboxAdapter
from django_craftkit.sandbox.core.signatures import SignatureRequest as Envelope

from .files import MEGABYTE, Files, craftkit, growth
from .measure import Figure, empty, say, settle

WEEK, YEARS = timedelta(days=7), timedelta(days=3 * 365)


def following(opened: int, few: int, finished: int) -> list[Figure]:
    """Rounds of questions over many open requests of a week, and over a few among many ended."""
    say(f"{opened:,} open requests of one week:")
    week = _round([True] * opened, WEEK)
    say(f"{few:,} open requests among {finished:,} that have ended:")
    step = finished // few
    years = _round([number % step == 0 for number in range(finished)], YEARS)
    return [
        Figure(f"calls for {opened:,} open requests of a week", [week], at_most=opened * 0.011),
        Figure(f"calls for {few:,} among {finished:,} that have ended", [years], at_most=few),
    ]


def _round(is_open: list[bool], span: timedelta) -> int:
    """Return the calls of a whole round in which every open request turns out to be viewed."""
    empty()
    sandbox = Sandbox(api_keys=["ck_test_sandbox"], lenient=True)
    now = datetime.now(UTC).replace(microsecond=0)
    beginnings = [now - span * (1 - number / len(is_open)) for number in range(len(is_open))]
    with craftkit(lambda: SandboxAdapter(sandbox)):
        ids = _fill(sandbox, is_open, beginnings)
        settle()
        before = len(sandbox.requests)
        state = ProjectState.objects.of("default")
        job = Job(kind=Job.Kind.POLL_SIGNATURES, object_id=state.pk, project="default")
        while not _is_over(signatures.poll.step(job)):
            pass
    heard = SignatureRequest.objects.filter(status=SignatureRequest.Status.VIEWED).count()
    if heard != sum(is_open):
        raise RuntimeError(f"{sum(is_open) - heard} of {len(ids)} requests were missed.")
    calls = len(sandbox.requests) - before
    # The project's client outlives this, and a million records would slow down what comes after.
    sandbox.reset()
    return calls


def _is_over(result: Any) -> bool:
    if not isinstance(result, (Reschedule, Done)):
        raise RuntimeError(f"The round ended with {result}.")
    return isinstance(result, Done) or result.after > 0


def _fill(sandbox: Sandbox, is_open: list[bool], beginnings: list[datetime]) -> list[uuid.UUID]:
    """Make requests at Craftkit and their mirror: opened there, and not yet known to be here."""
    render = Render.objects.create(template="invoice", key="1", key_hash=hash_key("1"))
    get_client().renders.render("invoice", {}, idempotency_key="1")
    (there,) = sandbox.renders
    due = database_now()
    status = SignatureRequest.Status
    rows, ids = [], []
    for number, (still, began) in enumerate(zip(is_open, beginnings, strict=True)):
        ids.append(uuid.uuid4())
        envelope = Envelope(
            id=str(ids[-1]),
            render=there,
            name=str(number),
            recipients=[],
            fields=[],
            anchor_tags=[],
            expiration_hours=None,
            idempotency_key=None,
            created_at=began.timestamp(),
            expires_at=float("inf"),
            clock=sandbox.state.clock,
            outcome="viewed" if still else "completed",
        )
        there.project.signatures.add(envelope)
        rows.append(
            SignatureRequest(
                render=render,
                key=str(number),
                key_hash=f"{number:064}",
                remote_id=ids[-1],
                status=status.SENT if still else status.COMPLETED,
                accepted_at=datetime.fromtimestamp(int(began.timestamp() * 1000) / 1000, UTC),
                poll_at=due if still else None,
            )
        )
        if len(rows) == 5000 or number == len(is_open) - 1:
            SignatureRequest.objects.bulk_create(rows)
            rows.clear()
    return ids


def keeping(megabytes: int) -> list[Figure]:
    """The most memory that keeping a signed document takes."""
    say(f"A signed PDF of {megabytes} MB, and its certificate:")
    empty()
    render = Render.objects.create(template="invoice", key="1", key_hash=hash_key("1"))
    size = megabytes * MEGABYTE
    grown: list[float] = []
    with tempfile.TemporaryDirectory() as folder, craftkit(lambda: Files(size), folder):
        for number in range(4):
            request = SignatureRequest.objects.create(
                render=render,
                key=str(number),
                key_hash=str(number),
                remote_id=uuid.uuid4(),
                status=SignatureRequest.Status.COMPLETED,
            )
            job = Job(kind=Job.Kind.ARCHIVE_SIGNATURE, object_id=request.pk, project="default")
            with growth(grown):
                archive.keep_signed(job)
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*.pdf"))
        if stored != 8 * size or ArchivedFile.objects.count() != 8:
            raise RuntimeError("Not all of it was kept.")
    return [Figure(f"MiB more while {megabytes} MB are kept, at most", [max(grown)], at_most=32)]
