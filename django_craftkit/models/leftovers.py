"""Files in the archive's storage that no row vouches for: deleted by their names, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import Exists, OuterRef

from django_craftkit import tenants
from django_craftkit.bulk import in_batches
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger

from .archive import ArchivedFile, ArchiveWrite, archive_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from django.core.files.storage import Storage
    from django.db.models import QuerySet

logger = get_logger("django_craftkit.reconcile.archive")

T = TypeVar("T")

#: Files that are deleted between two looks at the database.
BATCH = 100


def writes_of(kind: str, object_id: int) -> QuerySet[ArchiveWrite]:
    """Return the names that workers have given to files of a row, and nobody has dropped."""
    return ArchiveWrite.objects.writer().filter(kind=kind, object_id=object_id)


def tidy(archived: ArchivedFile) -> None:
    """Delete what workers have left beside a file that is vouched for now, by its name."""
    writes = writes_of(archived.kind, archived.object_id)
    names = dict(writes.values_list("pk", "name"))
    if not names:
        return
    kept = delete_files(set(names.values()))
    # What stays beside a file does no harm; nothing may stay of one that was erased.
    over = [pk for pk, name in names.items() if archived.name or name not in kept]
    writes.filter(pk__in=over).delete()


def delete_erased() -> tuple[int, int]:
    """Delete the files whose rows were erased; return how many, and how many stayed.

    Those that the storage does not delete are tried again by the next call.
    """
    erased = ArchivedFile.objects.filter(
        kind=OuterRef("kind"), object_id=OuterRef("object_id"), name=""
    )
    left = ArchiveWrite.objects.writer().filter(Exists(erased))
    deleted = stayed = 0
    for writes in in_batches(left, BATCH):
        kept = delete_files({write.name for write in writes})
        done = [write.pk for write in writes if write.name not in kept]
        ArchiveWrite.objects.writer().filter(pk__in=done).delete()
        deleted += len(done)
        stayed += len(writes) - len(done)
    return deleted, stayed


def delete_files(names: Collection[str]) -> set[str]:
    """Delete those of these files that no row vouches for; return what stayed nevertheless.

    Also no row of another tenant: one may have been made as a copy of this one, rows and all.
    """
    rows = ArchivedFile.objects.writer().filter(name__in=names)
    over = set(names).difference(rows.values_list("name", flat=True))
    if over and tenants.are_used():
        elsewhere = _vouched_elsewhere(over)
        if elsewhere is None:
            logger.warning("%d files stay: not all tenants could be asked for them.", len(over))
            return over
        over -= elsewhere
    storage, kept = archive_storage(), set()
    for name in over:
        if ask(_delete, storage, name) is None:
            kept.add(name)
            logger.warning(
                "The archive's storage did not delete a file that no row vouches for, in %s",
                name.rpartition("/")[0],
            )
    return kept


def _vouched_elsewhere(names: Collection[str]) -> set[str] | None:
    """Return those of these files that rows of other tenants vouch for; ``None``: nobody knows."""
    places = ", ".join(["%s"] * len(names))
    sql = f"SELECT t.name FROM {{file}} t WHERE t.name IN ({places})"  # noqa: S608
    others = [name for name in tenants.names() if name != tenants.current()]
    vouched: set[str] = set()
    for _tenant, rows in tenants.select(
        others, sql, {"file": ArchivedFile}, lambda some: [list(names)] * len(some)
    ):
        if rows is None:
            return None
        vouched.update(name for (name,) in rows)
    return vouched


def ask(question: Callable[..., T], *about: object) -> T | None:
    """Return what a storage answers; ``None`` where it does not, whatever it raises."""
    try:
        return question(*about)
    except time_limits():
        raise
    except Exception as error:
        logger.info("The archive's storage did not answer: %s", type(error).__name__)
        return None


def _delete(storage: Storage, name: str) -> bool:
    storage.delete(name)
    return True
