"""Whatever a storage is like: the files that rows vouch for are whole, and no other is touched."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings as django_settings

from django_craftkit.models import ArchivedFile, Job
from django_craftkit.models.archive import ArchiveWrite
from tests.helpers import LEASE_OVER, Killed, elsewhere, killed, settle, work
from tests.reconcile import archives
from tests.reconcile.archives import Moments, check_rows, served, stored
from tests.seams import before_writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

DAY = "uploads/2026/11/28"
NOT_IMPLEMENTED, FORBIDDEN = NotImplementedError, archives.ClientError


@dataclass(frozen=True)
class Odd:
    """A storage, and what can't be expected of it."""

    name: str
    backend: str = ""
    refused: tuple[str, ...] = ()
    error: type[Exception] = PermissionError
    #: Whether what a worker has left that died is gone in the end: it can be named, and deleted.
    tidy: bool = True
    #: The same of a worker that lived to hear its name, and came second.
    tidy_race: bool = True

    def __str__(self) -> str:
        return self.name


def refusing(*refused: str, error: type[Exception] = PermissionError, tidy: bool = True) -> Odd:
    name = f"refuses {', '.join(refused)} ({error.__name__})"
    return Odd(name, "Refusing", refused, error, tidy=tidy, tidy_race=tidy)


ALL = ("exists", "listdir", "size", "delete")
STORAGES = [
    Odd("a folder", "Disk"),
    Odd("writes over what is there", "Overwriting"),
    Odd("a folder a day", "FolderADay", tidy=False),
    Odd("random names among uploads", "RandomNames", tidy=False, tidy_race=False),
    Odd("random names at the top", "RandomNamesAtTheTop", tidy=False, tidy_race=False),
    Odd("named by content", "NamedByContent", tidy=False),
    Odd("lists full names", "FullNames"),
    Odd("says that everything is there", "SaysYes"),
    Odd("says so, and knows no sizes", "SaysYesOfAnySize"),
    Odd("sealed", "Sealed"),
    refusing("exists", error=FORBIDDEN),
    refusing("listdir"),
    refusing("size", error=NOT_IMPLEMENTED),
    refusing("size", error=FORBIDDEN),
    refusing("delete", error=NOT_IMPLEMENTED, tidy=False),
    refusing(*ALL, tidy=False),
    refusing(*ALL, "open", error=FORBIDDEN, tidy=False),
]
every_storage = pytest.mark.parametrize("odd", STORAGES, ids=str)


@pytest.fixture
def put(tmp_path, settings) -> Callable[[Odd], None]:
    """What makes a storage the archive's."""

    def put(odd: Odd) -> None:
        archives.Refusing.refused, archives.Refusing.error = odd.refused, odd.error
        settings.STORAGES = {
            **django_settings.STORAGES,
            "craftkit": {
                "BACKEND": f"tests.reconcile.archives.{odd.backend}",
                "OPTIONS": {"location": str(tmp_path)},
            },
        }

    yield put
    Moments.forget()
    archives.Refusing.refused = ()
    archives.Late.shown.clear()
    archives.Losing.times.clear()


class Folder:
    """What is in the storage's folder beside the files of one request."""

    def __init__(self, path: Path, request, content: bytes) -> None:
        self.path, self.request = path, request
        signed, certificate = (
            f"craftkit/default/{kind}/{request.remote_id}" for kind in ("signed", "certificate")
        )
        digest = hashlib.sha256(content).hexdigest()
        #: The project's uploads, and what was signed before.
        self.theirs = {
            "theirs.pdf": b"%PDF-1",
            "uploads/theirs.pdf": b"%PDF-2",
            f"{DAY}/theirs.pdf": b"%PDF-3",
            f"{signed}/theirs.pdf": b"%PDF-4",
            f"{certificate}/{'0' * 32}.pdf": b"%PDF-5",
            "earlier.pdf": b"%PDF-6",
            "uploads/earlier.pdf": b"%PDF-7",
            f"{DAY}/earlier.pdf": b"%PDF-8",
            f"{signed}/earlier.pdf": b"%PDF-9",
            # As the project would name the same bytes.
            f"uploads/{digest}.pdf": content,
        }
        for number, (name, there) in enumerate(self.theirs.items(), start=1):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(there)
            if "earlier" in name:
                ArchivedFile.objects.create(
                    kind="signed",
                    object_id=request.pk + number,
                    name=name,
                    size=len(there),
                    sha256=hashlib.sha256(there).hexdigest(),
                )

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path.read_bytes() for path in paths}

    def left(self) -> set[str]:
        """The files that nobody vouches for."""
        rows = ArchivedFile.objects.values_list("name", flat=True)
        return self.files().keys() - self.theirs.keys() - set(rows)


@pytest.fixture
def folder(tmp_path, completed, dashboard, long_papers) -> Folder:
    return Folder(tmp_path, completed, served(dashboard, completed)["signed"])


def check(folder: Folder, dashboard, odd: Odd) -> None:
    """Check that both files are vouched for and whole, and that nothing of others is gone."""
    check_rows(folder.request)
    there = served(dashboard, folder.request)
    if "open" in odd.refused:
        rows = ArchivedFile.objects.filter(object_id=folder.request.pk)
        assert {row.kind: folder.files()[row.name] for row in rows} == there
    else:
        assert stored(folder.request) == there
    assert folder.theirs.items() <= folder.files().items()


def fetch_and_die(craftkit, folder: Folder) -> None:
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    assert not ArchivedFile.objects.filter(object_id=folder.request.pk).exists()
    craftkit.pass_time(LEASE_OVER)


@every_storage
def test_what_is_kept_is_whole_and_nothing_else_is_touched(craftkit, folder, dashboard, put, odd):
    put(odd)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == set()


@every_storage
@pytest.mark.parametrize("moment", ["before", "midway", "after"])
def test_a_worker_that_dies_while_it_writes_damages_nothing(
    craftkit, folder, dashboard, put, odd, moment
):
    put(odd)
    getattr(Moments, moment).append(killed)
    fetch_and_die(craftkit, folder)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert len(folder.left()) <= (not odd.tidy)


@every_storage
def test_a_worker_that_dies_before_it_vouches_damages_nothing(
    craftkit, folder, dashboard, put, odd, monkeypatch
):
    put(odd)
    before_writing(monkeypatch, ArchivedFile, killed, verb="INSERT")
    fetch_and_die(craftkit, folder)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert len(folder.left()) <= (not odd.tidy_race)


@every_storage
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_second_worker_damages_nothing(craftkit, folder, dashboard, put, odd, moment):
    put(odd)

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)

    getattr(Moments, moment).append(take_over)
    craftkit.pass_time(1)
    work()
    settle(craftkit)
    check(folder, dashboard, odd)
    assert len(folder.left()) <= (not odd.tidy_race)


@every_storage
def test_a_worker_that_dies_after_a_second_one_was_through_damages_nothing(
    craftkit, folder, dashboard, put, odd
):
    """It begins to write when a row vouches for the file already, and comes half-way."""
    put(odd)

    def take_over():
        craftkit.pass_time(LEASE_OVER)
        elsewhere(work)
        Moments.midway.append(killed)

    Moments.before.append(take_over)
    craftkit.pass_time(1)
    with pytest.raises(Killed):
        work()
    settle(craftkit)
    check(folder, dashboard, odd)
    # Nobody is left who knows its name.
    assert len(folder.left()) == 1


def test_a_storage_is_asked_for_no_more_than_documented(craftkit, folder, put, monkeypatch):
    put(Odd("a folder", "Disk"))
    asked = record(monkeypatch)
    settle(craftkit)
    assert asked == ["save", "size"] * 2, "undisturbed"
    asked.clear()
    with folder.request.open_signed() as file:
        assert file.read(5) == b"%PDF-"
    assert asked == ["open"]


@pytest.mark.parametrize(
    ("moment", "methods"),
    [("midway", ["save", "open", "save", "size", "delete"]), ("after", ["save", "open"])],
)
def test_after_a_crash_a_storage_is_asked_for_no_more_than_documented(
    craftkit, folder, put, monkeypatch, moment, methods
):
    put(Odd("a folder", "Disk"))
    getattr(Moments, moment).append(killed)
    asked = record(monkeypatch)
    fetch_and_die(craftkit, folder)
    settle(craftkit)
    assert asked == [*methods, "save", "size"], "and the certificate, undisturbed"


def record(monkeypatch) -> list[str]:
    """What is asked of a folder, but for what it asks itself."""
    asked: list[str] = []
    depth = 0

    def recorded(name, method):
        def ask(self, *args, **kwargs):
            nonlocal depth
            if not depth:
                asked.append(name)
            depth += 1
            try:
                return method(self, *args, **kwargs)
            finally:
                depth -= 1

        return ask

    for name in ("save", "open", "size", "exists", "listdir", "delete", "url", "path"):
        method = getattr(archives.Disk, name)
        monkeypatch.setattr(archives.Disk, name, recorded(name, method))
    return asked


def assert_incomplete(size: int) -> None:
    job = Job.objects.get(kind=Job.Kind.ARCHIVE_SIGNATURE)
    assert job.error_code == "file_incomplete"
    assert job.error.startswith(f"{size}/")


def test_a_file_that_is_shown_later_is_vouched_for_later_and_written_once(
    craftkit, folder, dashboard, put
):
    odd = Odd("late", "Late")
    put(odd)
    craftkit.pass_time(1)
    work()
    assert not ArchivedFile.objects.filter(object_id=folder.request.pk).exists()
    assert_incomplete(0)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == set()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_part_that_the_storage_takes_for_the_whole_is_not_vouched_for(
    craftkit, folder, dashboard, put, times
):
    odd = Odd("losing", "Losing")
    put(odd)
    archives.Losing.times += [0] * times
    craftkit.pass_time(1)
    work()
    assert_incomplete(archives.SOME)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == set()


def test_a_file_that_another_row_vouches_for_is_not_deleted(craftkit, folder, dashboard, put):
    """Two rows may have one name, as where a storage keeps the same bytes once."""
    odd = Odd("a folder", "Disk")
    put(odd)
    for name in ("earlier.pdf", "gone.pdf"):
        ArchiveWrite.objects.create(kind="signed", object_id=folder.request.pk, name=name)
    (folder.path / "gone.pdf").write_bytes(b"%PDF-")
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == set()


def test_what_a_worker_left_that_died_after_the_row_is_deleted(
    craftkit, folder, dashboard, put, monkeypatch
):
    odd = Odd("a folder", "Disk")
    put(odd)
    Moments.midway.append(killed)
    fetch_and_die(craftkit, folder)
    delete = archives.Disk.delete

    def deadly(self, name):
        monkeypatch.setattr(archives.Disk, "delete", delete)
        raise Killed

    monkeypatch.setattr(archives.Disk, "delete", deadly)
    with pytest.raises(Killed):
        work()
    assert ArchivedFile.objects.filter(object_id=folder.request.pk).exists()
    assert len(folder.left()) == 1
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == set()


def test_what_a_storage_does_not_delete_is_logged_without_its_name_and_holds_nothing_up(
    craftkit, folder, dashboard, put, caplog
):
    caplog.set_level(logging.INFO, "django_craftkit")
    odd = refusing("delete", tidy=False)
    put(odd)
    Moments.midway.append(killed)
    fetch_and_die(craftkit, folder)
    (left,) = folder.left()
    settle(craftkit)
    check(folder, dashboard, odd)
    assert folder.left() == {left}
    place, _, name = left.rpartition("/")
    assert [place in record.getMessage() for record in caplog.records].count(True) == 1
    assert name not in caplog.text, "whoever knows it may fetch it, where the storage is public"


@pytest.mark.parametrize("method", ["size", "open"])
def test_a_time_limit_is_no_answer_of_the_storages(craftkit, folder, put, monkeypatch, method):
    put(refusing("size") if method == "open" else Odd("a folder", "Disk"))

    def late(self, *args):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(archives.Disk, method, late)
    craftkit.pass_time(1)
    with pytest.raises(SoftTimeLimitExceeded):
        work()
    assert not ArchivedFile.objects.filter(object_id=folder.request.pk).exists()


def test_a_name_fits_into_its_row_whatever_the_storage_makes_of_it(
    craftkit, folder, put, monkeypatch
):
    put(Odd("a folder", "Disk"))
    lengths = []

    def available(self, name, max_length=None):
        lengths.append(max_length)
        return name

    monkeypatch.setattr(archives.Disk, "get_available_name", available)
    settle(craftkit)
    assert lengths == [ArchivedFile._meta.get_field("name").max_length] * 2
