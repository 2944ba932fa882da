"""Files go once it is committed; signed ones if that is said; none that is not ours."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import transaction

from django_craftkit.models import (
    ArchivedFile,
    Change,
    Job,
    Render,
    SignatureRequest,
)
from django_craftkit.models.archive import ArchiveWrite
from django_craftkit.reconcile import sweeping
from tests.erasing.people import (
    ADA,
    TAGS,
    erase,
    request,
)
from tests.helpers import Killed, archived_files, elsewhere, killed, settle
from tests.seams import after_committing, after_sending

if TYPE_CHECKING:
    from django_craftkit.testing import Kit
    from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def archived(craftkit: Kit, order: Order, settings: Any) -> Render:
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    render = request(order)
    craftkit.run()
    asked = render.send_for_signature([ADA], anchor_tags=TAGS)
    craftkit.run()
    craftkit.sign(asked)
    settle(craftkit)
    assert ArchivedFile.objects.count() == 3
    return render


def kept_files() -> list[str]:
    names = ArchivedFile.objects.exclude(name="").order_by("kind").values_list("kind", flat=True)
    return list(names)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick_papers")
def test_signed_files_stay_unless_it_is_said(craftkit: Kit, order: Order, settings):
    render = archived(craftkit, order, settings)
    erasure = erase(order)
    assert kept_files() == ["certificate", "signed"]
    assert len(erasure.kept_files) == 2
    assert len(archived_files()) == 2
    asked = SignatureRequest.objects.get()
    assert asked.open_signed().read()
    again = Render.objects.filter(pk=render.pk).erase(archive=True)
    assert (again.kept_files, again.counts["ArchivedFile"]) == ([], 2)
    assert kept_files() == []
    assert archived_files() == []
    with pytest.raises(FileNotFoundError):
        asked.open_signed()
    settle(craftkit)
    assert kept_files() == [], "nothing is fetched again"
    assert not Job.objects.exclude(kind=Job.Kind.POLL_SIGNATURES).exists()


class Stubborn(InMemoryStorage):
    """Deletes nothing for a while."""

    is_stubborn = True

    def delete(self, name: str) -> None:
        if self.is_stubborn:
            raise PermissionError(name)
        super().delete(name)


class NamesItself(InMemoryStorage):
    """Names files by what is in them, whoever brings them."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"uploads/{uuid.uuid4().hex}.pdf"


def use(settings: Any, storage: type[InMemoryStorage]) -> None:
    name = f"{storage.__module__}.{storage.__name__}"
    settings.STORAGES = {**settings.STORAGES, "craftkit": {"BACKEND": name}}


@pytest.mark.django_db(transaction=True)
def test_what_the_storage_does_not_delete_is_deleted_by_the_next_call(
    craftkit: Kit, order: Order, settings, monkeypatch: pytest.MonkeyPatch
):
    use(settings, Stubborn)
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    request(order)
    settle(craftkit)
    erasure = erase(order)
    assert (erasure.undeleted, erasure.is_complete) == (1, False)
    assert len(archived_files()) == 1
    monkeypatch.setattr(Stubborn, "is_stubborn", False)
    assert erase(order).is_complete
    assert archived_files() == []
    assert not ArchiveWrite.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_file_that_the_storage_has_named_is_left_to_the_caller(
    craftkit: Kit, order: Order, settings
):
    use(settings, NamesItself)
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    request(order)
    settle(craftkit)
    file = ArchivedFile.objects.get()
    erasure = erase(order)
    assert erasure.foreign_files == [file.pk]
    assert archived_files() == [file.name]
    file.refresh_from_db()
    assert file.name, "it tells which file it is"


@pytest.mark.django_db(transaction=True)
def test_no_file_goes_with_a_transaction_that_is_rolled_back(craftkit: Kit, order: Order, settings):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    render = request(order)
    settle(craftkit)
    with transaction.atomic():
        erase(order)
        transaction.set_rollback(True)
    assert len(archived_files()) == 1
    render.refresh_from_db()
    assert render.erased_at is None
    with transaction.atomic():
        erase(order)
        assert len(archived_files()) == 1
    assert archived_files() == []


@pytest.mark.django_db(transaction=True)
def test_killed_before_its_files_are_deleted_the_next_call_deletes_them(
    craftkit: Kit, order: Order, settings, monkeypatch: pytest.MonkeyPatch
):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    request(order)
    settle(craftkit)
    after_committing(monkeypatch, ArchiveWrite, killed, verb="INSERT")
    with pytest.raises(Killed):
        erase(order)
    assert len(archived_files()) == 1
    assert Render.objects.exclude(erased_at=None).count() == 1
    erase(order)
    assert archived_files() == []


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_fetched_meanwhile_goes_again(
    craftkit: Kit, order: Order, settings, monkeypatch: pytest.MonkeyPatch
):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    render = request(order)
    after_sending(monkeypatch, "/download", lambda: elsewhere(lambda: erase(order)), method="GET")
    settle(craftkit)
    render.refresh_from_db()
    assert render.erased_at is not None
    assert (archived_files(), kept_files()) == ([], [])
    assert not ArchiveWrite.objects.exists()
    assert not Change.objects.filter(signal="document_archived").exists()


def test_what_was_erased_does_not_tell_since_when_documents_are_kept(
    craftkit: Kit, order: Order, settings
):
    other = Render.objects.request("invoice", {})
    request(order)
    craftkit.run()
    erase(order)
    settings.CRAFTKIT = {**settings.CRAFTKIT, "ARCHIVE_RENDERS": True}
    craftkit.pass_time(60)
    sweeping.restore_jobs(0)
    assert not Job.objects.filter(kind=Job.Kind.ARCHIVE_RENDER).exists()
    other.refresh_from_db()
    assert other.status == "succeeded"
