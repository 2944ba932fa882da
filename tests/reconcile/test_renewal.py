"""A file may take longer to come than a lease: its job stays with the worker that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db.models import F

from django_craftkit import conf
from django_craftkit.client.download import Download
from django_craftkit.clock import database_now
from django_craftkit.models import ArchivedFile, Job, Render
from django_craftkit.reconcile import renewal
from django_craftkit.signing import AnchorTag
from tests.helpers import LEASE_OVER, Elsewhere, settle
from tests.reconcile.signatures.helpers import GUEST, posts

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.files import File

SIGN_HERE = "[[sign_here]]"
#: Bytes that come at once.
PIECE = 200


class Line:
    """A line by which a download comes in pieces, each of which takes a third of a lease."""

    def __init__(self) -> None:
        self.pieces = 0
        self.now = 0.0
        #: What happens while the next piece comes.
        self.meanwhile: Callable[[], object] | None = None

    def come(self) -> None:
        self.pieces += 1
        self.now += conf.options().LEASE / 3
        # The clock of the database stands still while the loop runs in a test.
        leased = Job.objects.exclude(leased_until=None)
        leased.update(leased_until=F("leased_until") - conf.lease() / 3)
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()


@pytest.fixture
def line(monkeypatch) -> Line:
    line, read = Line(), Download.readinto

    def slowly(self, buffer):
        line.come()
        return read(self, buffer)

    monkeypatch.setattr(Download, "readinto", slowly)
    monkeypatch.setattr(renewal, "monotonic", lambda: line.now)
    monkeypatch.setattr(renewal, "CHUNK", PIECE)
    return line


class Slow(InMemoryStorage):
    """A storage by a slow line: each piece that it reads takes a third of a lease."""

    line: ClassVar[Line]
    #: Whether it reads in a thread of its own, as that of S3 does.
    in_thread: ClassVar[bool]
    raised: ClassVar[list[Exception]]

    def _save(self, name: str, content: File) -> str:
        self.raised.clear()
        pieces: list[bytes] = []

        def read() -> None:
            try:
                while piece := content.read(PIECE):
                    pieces.append(piece)
                    self.line.come()
            except Exception as error:
                self.raised.append(error)

        if self.in_thread:
            Elsewhere(read).wait()
        else:
            read()
        for error in self.raised:
            raise error
        return super()._save(name, ContentFile(b"".join(pieces)))

    def open(self, name: str, mode: str = "rb") -> File:
        self.line.come()
        return super().open(name, mode)


@pytest.fixture(params=[False, True], ids=["", "in a thread"])
def slow(request, craftkit, settings, monkeypatch) -> Line:
    """The line to a storage that is to keep a document."""
    monkeypatch.setattr(Slow, "line", Line(), raising=False)
    monkeypatch.setattr(Slow, "in_thread", request.param, raising=False)
    monkeypatch.setattr(Slow, "raised", [], raising=False)
    monkeypatch.setattr(renewal, "monotonic", lambda: Slow.line.now)
    settings.STORAGES = {**settings.STORAGES, "craftkit": {"BACKEND": f"{__name__}.Slow"}}
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    Render.objects.request("invoice", {})
    return Slow.line


@pytest.mark.django_db(transaction=True)
def test_nobody_else_takes_a_job_while_its_file_is_written(craftkit, slow):
    others = []

    def claim() -> None:
        others.extend(Job.objects.filter(kind=Job.Kind.ARCHIVE_RENDER).due(database_now()))
        slow.meanwhile = claim

    slow.meanwhile = claim
    settle(craftkit)
    assert slow.pieces > 3, "longer than a lease"
    assert others == []
    check_done_once(craftkit, Job.Kind.ARCHIVE_RENDER)


@pytest.mark.django_db(transaction=True)
def test_who_has_lost_a_job_writes_no_further(craftkit, slow):
    def take_over() -> None:
        assert Job.objects.filter(kind=Job.Kind.ARCHIVE_RENDER).update(lease_token=uuid4()) == 1

    slow.meanwhile = take_over
    craftkit.run()
    assert slow.pieces == 1
    assert [type(error) for error in Slow.raised] == [renewal.TakenOver]
    assert not ArchivedFile.objects.exists()
    assert Job.objects.get().failures == 0, "it is the other one's"
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check_done_once(craftkit, Job.Kind.ARCHIVE_RENDER)


@pytest.fixture(params=[Job.Kind.ARCHIVE_RENDER, Job.Kind.SEND_SIGNATURE])
def kind(request, craftkit, settings) -> str:
    """The kind of a job that reads the PDF of a document."""
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "craftkit": memory}
    is_kept = request.param == Job.Kind.ARCHIVE_RENDER
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": is_kept, "CHECK_ANCHORS": "warn"}
    render = Render.objects.request("invoice", {"sign": SIGN_HERE})
    if not is_kept:
        tag = AnchorTag(SIGN_HERE, "signature")
        render.send_for_signature([GUEST], anchor_tags=[tag])
    return request.param


def test_nobody_else_takes_a_job_while_its_file_comes(craftkit, kind, line):
    others = []

    def claim() -> None:
        now = database_now()
        others.extend(Job.objects.filter(kind=kind).due(now))
        line.meanwhile = claim

    line.meanwhile = claim
    settle(craftkit, but=[Job.Kind.POLL_SIGNATURES])
    assert line.pieces > 3, "longer than a lease"
    assert others == []
    check_done_once(craftkit, kind)


def test_who_has_lost_a_job_reads_no_further(craftkit, kind, line):
    def take_over() -> None:
        taken = Job.objects.filter(kind=kind).update(lease_token=uuid4())
        assert taken == 1

    line.meanwhile = take_over
    craftkit.run()
    assert line.pieces == 1
    assert not ArchivedFile.objects.exists()
    assert posts(craftkit) == 0
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit, but=[Job.Kind.POLL_SIGNATURES])
    check_done_once(craftkit, kind)


def check_done_once(craftkit, kind: str) -> None:
    """Check that it was done, and once."""
    if kind == Job.Kind.ARCHIVE_RENDER:
        assert ArchivedFile.objects.get().size == len(craftkit.sandbox.renders[0].pdf())
    else:
        assert posts(craftkit) == 1
    gets = [one for one in craftkit.sandbox.requests if one.path.endswith("/download")]
    assert len(gets) <= 2
