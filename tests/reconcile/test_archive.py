"""What was signed is kept: whole, once, with its hash, and however long Craftkit takes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages

from django_craftkit.client import Conflict, InvalidResponse
from django_craftkit.models import (
    ArchivedFile,
    Change,
    Job,
    ProjectState,
    Render,
    SignatureRequest,
)
from django_craftkit.models.archive import ArchiveWrite, archive_storage
from django_craftkit.reconcile import archive
from django_craftkit.sandbox.core.pdf import signatures as papers
from django_craftkit.signals import document_archived
from tests.helpers import (
    LEASE_OVER,
    TIMEOUT,
    Killed,
    at_once,
    connected,
    elsewhere,
    killed,
    pass_time,
    settle,
    work,
)
from tests.pdf.test_signed import plain, saved_anew, signed, with_page
from tests.reconcile.archives import Disk, archive_later, check_rows, full, served, stored
from tests.reconcile.signatures.helpers import GET, answer, calls, calls_within, send
from tests.seams import before_writing, take_step

DOWNLOAD = {"method": "GET", "path": "/v1/signatures/*/download"}
CERTIFICATE = {"method": "GET", "path": "/v1/signatures/*/certificate"}


@pytest.fixture
def disk(tmp_path, settings):
    """The project's storage, as a folder; returns what lists its files."""
    settings.STORAGES = {
        **django_settings.STORAGES,
        "craftkit": {
            "BACKEND": "tests.reconcile.archives.Disk",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    yield lambda: sorted(path for path in tmp_path.rglob("*") if path.is_file())
    Disk.forget()


@pytest.fixture
def heard():
    said = []

    def listen(sender, instance, previous_status, change, **kwargs):
        kinds = ArchivedFile.objects.order_by("pk").values_list("kind", flat=True)
        said.append((sender, instance.pk, previous_status, sorted(kinds)))

    with connected(listen, document_archived):
        yield said


def check_kept(dashboard, request: SignatureRequest, disk) -> None:
    """Check that both files are there once, whole, and nothing else is."""
    check_rows(request)
    assert stored() == served(dashboard, request)
    names = sorted(ArchivedFile.objects.values_list("name", flat=True))
    assert sorted(path.as_posix().partition("craftkit/")[2] for path in disk()) == [
        name.removeprefix("craftkit/") for name in names
    ]


def die_before_vouching(craftkit, monkeypatch) -> None:
    """Be a worker that ends when a file is written, and no row vouches for it."""
    before_writing(monkeypatch, ArchivedFile, killed, verb="INSERT")
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()


def test_both_files_are_kept_as_craftkit_serves_them(craftkit, completed, dashboard, disk, heard):
    settle(craftkit)
    check_kept(dashboard, completed, disk)
    assert heard == [(SignatureRequest, completed.pk, "completed", ["certificate", "signed"])]
    change = Change.objects.get(signal="document_archived")
    assert (change.from_status, change.to_status) == ("completed", "archived")
    completed.refresh()
    settle(craftkit)
    check_kept(dashboard, completed, disk)
    assert len(heard) == 1


SAYS = {
    "signed": (signed(), (True, 1, "whole")),
    "not signed": (plain(), (True, 0, "none")),
    "a page added": (with_page(signed()), (True, 1, "added")),
    "saved anew": (saved_anew(signed()), (True, 1, "moved")),
    "half": (signed()[:-200], (False, None, "unknown")),
}


@pytest.mark.parametrize(("content", "says"), SAYS.values(), ids=SAYS)
def test_what_was_signed_is_looked_at_once_when_it_is_kept(
    craftkit, completed, disk, monkeypatch, content, says
):
    monkeypatch.setattr(papers, "signed", lambda request: content)
    settle(craftkit)
    row = ArchivedFile.objects.of("signed", completed.pk)
    assert (row.is_whole, row.signatures, row.coverage) == says
    assert row.says
    assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    certificate = ArchivedFile.objects.of("certificate", completed.pk)
    assert (certificate.is_whole, certificate.coverage, certificate.says) == (None, "", "")


def test_without_pypdf_nothing_is_said_of_it(craftkit, completed, disk, monkeypatch):
    monkeypatch.setattr(archive, "is_available", lambda: False)
    settle(craftkit)
    row = ArchivedFile.objects.of("signed", completed.pk)
    assert (row.is_whole, row.signatures, row.coverage, row.says) == (None, None, "", "")


def test_names_tell_nobody_where_files_are(craftkit, completed, dashboard, disk):
    settle(craftkit)
    for row in ArchivedFile.objects.all():
        start = f"craftkit/default/{row.kind}/{completed.remote_id}/"
        assert row.name.startswith(start)
        assert len(row.name.removeprefix(start).removesuffix(".pdf")) == 32
        assert row.sha256[:32] not in row.name


@pytest.mark.parametrize("delay", [60, 86_400 * 3])
def test_files_that_are_not_there_yet_are_asked_for_until_they_are(
    craftkit, ready, dashboard, disk, delay
):
    craftkit.sandbox.archive_delay = delay
    request = send(ready)
    craftkit.run()
    craftkit.sandbox.sign_all(craftkit.sandbox.signatures[0].id)
    craftkit.run()
    assert Job.objects.filter(
        kind=Job.Kind.ARCHIVE_SIGNATURE, failures=0, error__contains="409"
    ).exists()
    assert not ProjectState.objects.paused().exists()
    asked = len(craftkit.sandbox.requests)
    settle(craftkit, minutes=delay / 60 + 6 * 60)
    assert len(craftkit.sandbox.requests) - asked < 150, "less and less often"
    request.refresh_from_db()
    check_kept(dashboard, request, disk)


def test_files_of_one_that_was_signed_nobody_knows_when_are_asked_for_ever_less(
    craftkit, ready, dashboard, disk
):
    craftkit.sandbox.archive_delay = 3 * 3600
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    request = send(ready)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    craftkit.sandbox.sign_all(there.id)
    craftkit.sandbox.faults.add("status", **answer(craftkit, there, completedAt=None), **GET)
    request.refresh()
    craftkit.run()
    request.refresh_from_db()
    assert (request.status, request.completed_at) == ("completed", None)
    assert 20 < calls_within(craftkit, 2) < 100
    settle(craftkit, minutes=120)
    check_kept(dashboard, request, disk)


def test_a_certificate_that_comes_later_keeps_no_signed_pdf_waiting(
    craftkit, completed, dashboard, disk, heard
):
    craftkit.sandbox.faults.add("certificate_failed", times=3)
    craftkit.pass_time(1)
    work()
    assert ArchivedFile.objects.get().kind == "signed"
    assert Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).failures == 1
    assert heard == []
    settle(craftkit)
    assert calls(craftkit, "GET", "/download") == 1, "what is there is not fetched again"
    assert calls(craftkit, "GET", "/certificate") == 4
    check_kept(dashboard, completed, disk)
    assert len(heard) == 1


def test_a_signed_pdf_that_comes_later_keeps_no_certificate_waiting(
    craftkit, completed, dashboard, disk
):
    craftkit.sandbox.faults.add("status", status=500, times=2, **DOWNLOAD)
    craftkit.pass_time(1)
    work()
    assert ArchivedFile.objects.get().kind == "certificate"
    settle(craftkit)
    check_kept(dashboard, completed, disk)


def test_a_storage_that_refuses_the_signed_pdf_keeps_no_certificate_waiting(
    craftkit, completed, dashboard, disk
):
    Disk.before.append(full)
    craftkit.pass_time(1)
    work()
    assert ArchivedFile.objects.get().kind == "certificate"
    assert "the disk is full" in Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).error
    settle(craftkit)
    check_kept(dashboard, completed, disk)


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "truncated"},
        {"kind": "garbage", "status": 200},
        {"kind": "garbage", "status": 404},
        {"kind": "cut_after"},
        {"kind": "status", "status": 401, "code": "unauthorized"},
        {"kind": "status", "status": 429, "code": "rate_limited"},
        {"kind": "status", "status": 404, "code": "not_found"},
        {"kind": "status", "status": 502, "code": "upstream_error"},
        {"kind": "status", "status": 200, "body": ""},
    ],
    ids=lambda trouble: f"{trouble['kind']} {trouble.get('status', '')}",
)
def test_files_are_whole_whatever_goes_wrong(craftkit, completed, dashboard, disk, trouble):
    for call in (DOWNLOAD, CERTIFICATE):
        craftkit.sandbox.faults.add(**{"times": 2, **trouble, **call})
    settle(craftkit)
    check_kept(dashboard, completed, disk)
    assert not ProjectState.objects.paused().exists()


@pytest.mark.parametrize("times", [1, 3])
def test_a_storage_that_fails_half_way_has_one_whole_file_in_the_end(
    craftkit, completed, dashboard, disk, times
):
    Disk.midway += [full] * times
    craftkit.pass_time(1)
    work()
    assert len(disk()) >= 1
    job = Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE)
    assert "the disk is full" in job.error
    settle(craftkit)
    check_kept(dashboard, completed, disk)


@pytest.mark.parametrize("moment", ["before", "midway", "after"])
def test_a_worker_that_dies_while_it_writes_leaves_one_whole_file(
    craftkit, completed, dashboard, disk, moment
):
    getattr(Disk, moment).append(killed)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    assert len(disk()) == (0 if moment == "before" else 1)
    assert not ArchivedFile.objects.exists()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check_kept(dashboard, completed, disk)


def test_a_worker_that_dies_before_it_vouches_for_a_file_leaves_one(
    craftkit, completed, dashboard, disk, monkeypatch
):
    die_before_vouching(craftkit, monkeypatch)
    assert (len(disk()), ArchivedFile.objects.count()) == (1, 0)
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check_kept(dashboard, completed, disk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_two_workers_one_of_which_was_slow_leave_one_file(
    craftkit, completed, dashboard, disk, moment, heard
):
    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)

    getattr(Disk, moment).append(take_over)
    craftkit.pass_time(1)
    work()
    settle(craftkit)
    check_kept(dashboard, completed, disk)
    assert len(heard) == 1


@pytest.mark.django_db(transaction=True)
def test_no_row_vouches_for_a_file_that_another_worker_deletes(
    craftkit, completed, dashboard, disk
):
    """It finds half of a file, which is whole and vouched for a moment later, and then it dies."""
    content = served(dashboard, completed)["signed"]

    def finish():
        (path,) = disk()
        path.write_bytes(content)
        ArchivedFile.objects.create(
            kind="signed",
            object_id=completed.pk,
            name=f"craftkit/{path.as_posix().partition('craftkit/')[2]}",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def die():
        finish()
        raise Killed

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        Disk.before.append(die)
        elsewhere(work)
        raise Killed

    Disk.midway.append(take_over)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    assert (Disk.before, ArchivedFile.objects.count()) == ([], 1)
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check_kept(dashboard, completed, disk)


def test_a_certificate_that_differs_each_time_is_one_file_whoever_dies(
    craftkit, completed, disk, monkeypatch
):
    number, certificate = itertools.count(), papers.certificate
    monkeypatch.setattr(
        papers, "certificate", lambda *args: certificate(*args) + b"%%%d" % next(number)
    )
    Disk.after += [killed, lambda: None]  # the last is the first: the signed PDF
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    assert sorted(stored()) == ["certificate", "signed"]
    assert len(disk()) == 2


@pytest.mark.django_db(transaction=True)
def test_several_workers_at_the_same_time_leave_one_file(craftkit, completed, dashboard, disk):
    job = Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE)
    errors = at_once(*[lambda: take_step(job)] * 4)
    # A disk that another writes to may refuse; what counts is how it ends.
    assert [error for error in errors if not isinstance(error, (OSError, type(None)))] == []
    settle(craftkit)
    check_kept(dashboard, completed, disk)


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_found_the_file_of_a_dead_one_can_both_note_it_again(
    craftkit, completed, dashboard, disk, monkeypatch
):
    """A third one has vouched for files of its own meanwhile, and dropped the note."""
    die_before_vouching(craftkit, monkeypatch)
    job, files = (
        Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE),
        served(dashboard, completed),
    )

    def vouch():
        for kind, content in files.items():
            name = archive_storage().save(
                f"craftkit/default/{kind}/third.pdf", ContentFile(content)
            )
            digest = hashlib.sha256(content).hexdigest()
            ArchivedFile.objects.create(
                kind=kind, object_id=completed.pk, name=name, size=len(content), sha256=digest
            )
        ArchiveWrite.objects.all().delete()

    found, noting = threading.Barrier(2, action=vouch, timeout=TIMEOUT), threading.Barrier(2)
    read = Disk.open

    def meet(self, *args, **kwargs):
        file = read(self, *args, **kwargs)
        if not found.broken and not ArchivedFile.objects.exists():
            found.wait()
        return file

    def note():
        # Or the other one waits for this one's transaction.
        with contextlib.suppress(threading.BrokenBarrierError):
            noting.wait(0.5)

    monkeypatch.setattr(Disk, "open", meet)
    before_writing(monkeypatch, ArchiveWrite, note, verb="INSERT", times=None)
    assert at_once(*[lambda: take_step(job)] * 2) == [None, None]
    settle(craftkit)
    check_kept(dashboard, completed, disk)


@pytest.mark.django_db(transaction=True)
def test_two_that_find_everything_stored_announce_it_once(
    craftkit, completed, dashboard, disk, monkeypatch, heard
):
    """Both come to write the line of history at the same moment."""
    both = threading.Barrier(2)

    def meet():
        # Or the other one waits for this one's transaction.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)

    before_writing(monkeypatch, Change, meet, verb="INSERT", times=None)
    job = Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE)
    archive_later(work)
    errors = at_once(*[lambda: archive.announce(completed, "signature")] * 2)
    assert errors == [None, None]
    take_step(job)
    settle(craftkit)
    check_kept(dashboard, completed, disk)
    assert len(heard) == 1


LARGE = 20 * 1024 * 1024


def test_a_file_that_is_too_large_is_refused_and_said_so_and_holds_nothing_up(
    craftkit, completed, dashboard, disk, monkeypatch, settings
):
    settings.CRAFTKIT = {"DOWNLOAD_MAX_BYTES": LARGE}
    signed = papers.signed
    monkeypatch.setattr(papers, "signed", lambda request: b"%PDF-" + bytes(LARGE))
    render = Render.objects.request("invoice", {}, key="i-2")
    craftkit.pass_time(1)
    work()
    job = Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE)
    assert f"{LARGE:,} bytes" in job.error
    assert ArchivedFile.objects.get().kind == "certificate"
    render.refresh_from_db()
    assert render.remote_id is not None
    for _ in range(8):
        pass_time(craftkit)
        work()
    assert Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).failures > 2, (
        "it is tried again, less and less often"
    )
    assert not ArchivedFile.objects.filter(kind="signed").exists()
    assert len(disk()) == 1
    monkeypatch.setattr(papers, "signed", signed)
    settle(craftkit)
    check_kept(dashboard, completed, disk)


def test_a_file_that_is_just_small_enough_is_kept(craftkit, completed, disk, monkeypatch, settings):
    settings.CRAFTKIT = {"DOWNLOAD_MAX_BYTES": LARGE}
    content = b"%PDF-" + bytes(LARGE - 5)
    monkeypatch.setattr(papers, "signed", lambda request: content)
    settle(craftkit)
    row = ArchivedFile.objects.get(kind="signed")
    assert (row.size, row.sha256) == (LARGE, hashlib.sha256(content).hexdigest())


def test_what_is_called_a_pdf_and_is_none_is_asked_for_again_and_never_archived_or_opened(
    craftkit, completed, dashboard, disk, monkeypatch
):
    signed = papers.signed
    monkeypatch.setattr(papers, "signed", lambda request: b"<html>Please come back later.</html>")
    craftkit.pass_time(1)
    work()
    assert "PDF" in Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE).error
    assert ArchivedFile.objects.get().kind == "certificate"
    with pytest.raises(InvalidResponse):
        completed.open_signed()
    assert not ProjectState.objects.paused().exists()
    monkeypatch.setattr(papers, "signed", signed)
    settle(craftkit)
    check_kept(dashboard, completed, disk)


def test_a_document_that_is_too_large_is_not_opened(ready, settings):
    with ready.open() as pdf:
        size = len(pdf.read())
    settings.CRAFTKIT = {"DOWNLOAD_MAX_BYTES": size - 1}
    for timeout in (None, 5):
        with pytest.raises(InvalidResponse, match="larger"):
            ready.open(timeout=timeout)
    settings.CRAFTKIT = {"DOWNLOAD_MAX_BYTES": size}
    with ready.open() as pdf:
        assert len(pdf.read()) == size


def test_signed_files_are_opened_from_craftkit_first_and_then_from_the_archive(
    craftkit, completed, dashboard, disk
):
    there = served(dashboard, completed)
    for kind in ("signed", "certificate"):
        with getattr(completed, f"open_{kind}")() as file:
            assert file.read() == there[kind]
    settle(craftkit)
    asked = len(craftkit.sandbox.requests)
    for kind in ("signed", "certificate"):
        with getattr(completed, f"open_{kind}")() as file:
            assert file.read() == there[kind]
    assert len(craftkit.sandbox.requests) == asked


def test_what_nobody_has_signed_whole_is_not_opened(craftkit, ready):
    request = send(ready)
    with pytest.raises(FileNotFoundError, match="pending"):
        request.open_signed()
    craftkit.run()
    request.refresh_from_db()
    craftkit.sandbox.archive_delay = 3600
    with pytest.raises(FileNotFoundError, match="sent"):
        request.open_certificate()
    craftkit.sandbox.sign_all(craftkit.sandbox.signatures[0].id)
    craftkit.run()
    request.refresh_from_db()
    with pytest.raises(Conflict):
        request.open_signed()


@pytest.mark.parametrize("end", ["declined", "cancelled"])
def test_nothing_is_kept_of_what_was_not_signed(craftkit, ready, end):
    request = send(ready)
    craftkit.run()
    request.refresh_from_db()
    if end == "cancelled":
        request.cancel()
    else:
        craftkit.sandbox.decline(str(request.remote_id), "jose@example.com")
    settle(craftkit)
    assert not ArchivedFile.objects.exists()
    assert calls(craftkit, "GET", "/download") == calls(craftkit, "GET", "/certificate") == 0


def test_documents_are_kept_where_settings_say_so(craftkit, settings, disk, heard):
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    render = Render.objects.request("invoice", {"number": "1"})
    with pytest.raises(FileNotFoundError):
        render.open()
    craftkit.sandbox.faults.add("status", status=500, path="*/download")
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"
    with render.open() as pdf:
        content = pdf.read()
    settle(craftkit)
    assert stored() == {"render": content}
    assert len(disk()) == 1
    assert heard == [(Render, render.pk, "succeeded", ["render"])]
    asked = len(craftkit.sandbox.requests)
    with render.open() as pdf, render.open(timeout=5) as again:
        assert pdf.read() == again.read() == content
    assert len(craftkit.sandbox.requests) == asked


def test_documents_are_not_kept_otherwise_nor_those_that_failed(craftkit, settings, disk):
    Render.objects.request("invoice", {})
    craftkit.run()
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    craftkit.sandbox.faults.add("render_failed")
    Render.objects.request("invoice", {}, key="fails")
    settle(craftkit)
    assert disk() == []
    assert not ArchivedFile.objects.exists()


def test_a_document_and_a_request_of_one_number_keep_files_of_their_own(
    craftkit, settings, disk, heard
):
    settings.CRAFTKIT = {"ARCHIVE_RENDERS": True}
    render = Render.objects.request("invoice", {})
    craftkit.run()
    request = send(render)
    SignatureRequest.objects.filter(pk=request.pk).update(key="same")
    craftkit.run()
    craftkit.sandbox.sign_all(craftkit.sandbox.signatures[0].id)
    settle(craftkit)
    assert sorted(stored()) == ["certificate", "render", "signed"]
    assert [sender for sender, *_ in heard] == [Render, SignatureRequest]


@pytest.mark.parametrize("named", [True, False], ids=["craftkit", "default"])
def test_files_go_to_the_storage_of_that_name_else_to_the_default_one(
    craftkit, completed, settings, named
):
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    others = {alias: storage for alias, storage in settings.STORAGES.items() if alias != "craftkit"}
    settings.STORAGES = {**others, "default": memory, **({"craftkit": memory} if named else {})}
    settle(craftkit)
    for row in ArchivedFile.objects.all():
        assert default_storage.exists(row.name) != named
        if named:
            assert storages["craftkit"].exists(row.name)
    assert len(stored()) == 2


def test_what_the_storage_has_lost_is_said_by_the_storage(craftkit, completed, disk):
    settle(craftkit)
    for path in disk():
        Path(path).unlink()
    with pytest.raises(FileNotFoundError):
        completed.open_signed()
