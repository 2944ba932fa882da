"""Following signature requests, in calls to Craftkit; and keeping what was signed, in memory.

Craftkit is the sandbox, in this process: what is counted is what it was asked.
"""

from __future__ import annotations

import io
import tempfile
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.test import override_settings
from requests import Response
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from django_craftkit.clock import database_now
from django_craftkit.models import ArchivedFile, Job, ProjectState, Render, SignatureRequest
from django_craftkit.models.arguments import hash_key
from django_craftkit.projects import get_client
from django_craftkit.reconcile import archive, signatures
from django_craftkit.reconcile.results import Done, Reschedule
from django_craftkit.sandbox import Sandbox, SandboxAdapter
from django_craftkit.sandbox.core.signatures import SignatureRequest as Envelope

from .measure import Figure, empty, say, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

WEEK, YEARS = timedelta(days=7), timedelta(days=3 * 365)
MEGABYTE = 1024 * 1024


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
    with _craftkit(lambda: SandboxAdapter(sandbox)):
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
    grown = []
    with tempfile.TemporaryDirectory() as folder, _craftkit(lambda: _Files(size), folder):
        for number in range(4):
            request = SignatureRequest.objects.create(
                render=render,
                key=str(number),
                key_hash=str(number),
                remote_id=uuid.uuid4(),
                status=SignatureRequest.Status.COMPLETED,
            )
            job = Job(kind=Job.Kind.ARCHIVE_SIGNATURE, object_id=request.pk, project="default")
            before = _memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            archive.keep_signed(job)
            grown.append((_memory("VmHWM") - before) / MEGABYTE)
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*.pdf"))
        if stored != 8 * size or ArchivedFile.objects.count() != 8:
            raise RuntimeError("Not all of it was kept.")
    return [Figure(f"MiB more while {megabytes} MB are kept, at most", [max(grown)], at_most=32)]


class _Files(BaseAdapter):
    """A Craftkit that makes up a document while it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        answer = Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        headers = {"Content-Type": "application/pdf", "Content-Length": str(self._size)}
        answer.headers.update(headers)
        answer.raw = HTTPResponse(_Pages(self._size), headers=headers, preload_content=False)
        return answer

    def close(self) -> None:
        pass


class _Pages(io.RawIOBase):
    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size
        self._beginning = b"%PDF-"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left)
        buffer[:count] = self._beginning.ljust(count, b"%")[:count]
        self._left -= count
        self._beginning = b""
        return count


@contextmanager
def _craftkit(adapter: Any, folder: str = "") -> Iterator[None]:
    project = {"API_KEY": "ck_test_sandbox", "BASE_URL": "http://craftkit.sandbox"}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    storages = {"craftkit": {**storage, "OPTIONS": {"location": folder}}}
    with override_settings(
        CRAFTKIT_PROJECTS={"default": {**project, "ADAPTER": adapter}}, STORAGES=storages
    ):
        yield


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"This machine does not tell {name}.")
