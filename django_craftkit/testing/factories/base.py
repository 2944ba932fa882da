"""What the factories have in common."""

from __future__ import annotations

import io
import uuid
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db import models

from django_craftkit import clock, dispatch
from django_craftkit.models import Change, Job
from django_craftkit.reconcile import archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django_craftkit.models import ArchivedFile

M = TypeVar("M", bound=models.Model)

#: Numbers for keys: each row of a process has its own.
numbers = count(1)

#: A PDF of one empty page, for what is archived.
EMPTY_PAGE: Final = (
    b"%PDF-1.4\n"
    b"1 0 obj<</Type/Catalog/Pages 2 0 R>> endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>> endobj\n"
    b"xref\n0 4\n0000000000 65535 f \n"
    b"0000000009 00000 n \n0000000053 00000 n \n0000000103 00000 n \n"
    b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n167\n%%EOF\n"
)


@contextmanager
def at_moment(at: datetime | None) -> Iterator[datetime]:
    """Let the package take a moment for now; ``None``: what it takes for it anyway.

    What is written meanwhile wakes no worker, who would ask the real Craftkit for it.
    """
    with ExitStack() as entered:
        entered.callback(dispatch.set_silent, dispatch.set_silent(True))
        if at is not None:
            moment = at
            entered.callback(clock.set_clock, clock.set_clock(lambda: moment))
        yield clock.now() if at is None else at


def check_status(status: str, model: Any) -> str:
    """Return a status as the model has it; raise ``ValueError`` for what is none."""
    if status not in model.Status.values:
        raise ValueError(f"status= is {status!r}: write one of {', '.join(model.Status.values)}.")
    return str(model.Status(status))


def new_id() -> str:
    """Return an id as Craftkit gives one."""
    return str(uuid.uuid4())


def settle(row: Any, kind: Change.Kind, done: list[Job.Kind], **columns: Any) -> None:
    """Write columns as they are to be, and take for done what a worker would have done by now.

    That is the jobs of these kinds, and the signals of the row's history.
    """
    writer = type(row).objects.writer()
    if columns:
        writer.filter(pk=row.pk).update(**columns)
    announcing = Job.Kind.announcing(kind)
    Job.objects.writer().filter(kind__in=[*done, announcing], object_id=row.pk).delete()
    due = Change.objects.writer().filter(kind=kind, object_id=row.pk)
    due.filter(announcement=Change.Announcement.DUE).update(
        announcement=Change.Announcement.DONE, receivers={}
    )
    row.refresh_from_db(using=writer.db)


def set_columns(row: Any, **columns: Any) -> None:
    """Set columns of a row that is not saved."""
    known = {field.attname for field in row._meta.concrete_fields} | {
        field.name for field in row._meta.get_fields()
    }
    for name, value in columns.items():
        if name not in known:
            raise TypeError(f"{type(row).__name__} has no column {name!r}.")
        setattr(row, name, value)


def keep_file(what: ArchivedFile.Kind, row: Any) -> None:
    """Keep a file of a row, as the worker does that has fetched it."""
    archive.store(what, row, io.BytesIO(EMPTY_PAGE))
