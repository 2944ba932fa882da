"""Many documents requested in one go: keys, data and rows made chunk by chunk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connections, models

from django_craftkit import bulk, clock
from django_craftkit.database import database, in_transaction, lock

from .arguments import check_filename, check_key, document_data, hash_key
from .batch import Batch
from .default_key import default_key, known_by_label
from .identity import Identity, identify
from .job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from .render import Render

#: Objects that are read, and looked up, together.
CHUNK = 2000
#: Characters of data that are written together: less than ``CHUNK`` documents where they are large.
MOST = 8_000_000
#: What is read of documents that are there already.
_COLUMNS = (
    *("project", "template", "key", "key_hash", "status", "priority", "batch", "requested_at"),
    *("source_type", "source_id", "source_db", "source_schema", "erased_at"),
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A document to be requested."""

    number: int
    source: models.Model
    about: Identity
    key: str
    key_hash: str


def request_many(
    batch: Batch,
    objects: Iterable[models.Model],
    *,
    version: int | None,
    data: Callable[[Any], Any],
    key: Callable[[Any], str] | None,
    filename: str | Callable[[Any], str],
) -> Batch:
    """Request a document for each object; return the batch, which may turn out to be another."""
    for name, given in (("data", data), ("key", key)):
        if given is not None and not callable(given):
            raise TypeError(f"{name} is a {type(given).__name__}: write a function of the object.")
    name_of, same = (filename, "") if callable(filename) else (None, check_filename(filename))
    run = _Run(batch, version, data, key, name_of, same)
    # On SQLite nobody can begin to write beside rows that are still to be read, once another has
    # written meanwhile: all are read first.
    if isinstance(objects, models.QuerySet) and connections[objects.db].vendor != "sqlite":
        objects = objects.iterator(chunk_size=CHUNK)
    numbered = enumerate(objects, 1)
    while chunk := list(islice(numbered, CHUNK)):
        run.request(chunk)
    return run.end()


class _Run:
    """One call of ``request_many``."""

    def __init__(
        self,
        batch: Batch,
        version: int | None,
        data: Callable[[Any], Any],
        key: Callable[[Any], str] | None,
        name_of: Callable[[Any], str] | None,
        filename: str,
    ) -> None:
        self._batch, self._data, self._key, self._name_of = batch, data, key, name_of
        self._is_begun = False
        self._created = self._existing = self._skipped = 0
        self._same: Render = Job.Kind.RENDER.model(
            project=batch.project,
            template=batch.template,
            version=version,
            filename=filename,
            priority=batch.priority,
            requested_by=batch.requested_by,
        )

    def request(self, chunk: Sequence[tuple[int, models.Model]]) -> None:
        """Request documents for some objects: all are looked up before anything is written."""
        wanted: dict[str, _Wanted] = {}
        for number, source in chunk:
            with self._naming(number, source):
                one = self._wanted(number, source)
                first = wanted.setdefault(one.key_hash, one)
                if first is not one:
                    self._row(first).check_same(self._batch.template, one.about)
                    self._existing += 1
        known = self._known_of(wanted)
        for hashed, render in known.items():
            one = wanted[hashed]
            with self._naming(one.number, one.source):
                render.check_same(self._batch.template, one.about)
        self._existing += len(known)
        rows: dict[str, Render] = {}
        size = 0
        for hashed, one in wanted.items():
            if hashed in known:
                continue
            row = self._built(one)
            if row is None:
                self._skipped += 1
                continue
            rows[hashed] = row
            size += len(str(row.data))
            if size > MOST:
                self._write(rows, wanted)
                rows, size = {}, 0
        self._write(rows, wanted)
        if known:
            self._join(list(known.values()))

    def end(self) -> Batch:
        """Return the batch, with what this call has done, when all of it is requested."""
        batch = self._begun()
        batch.fill()
        batch.created, batch.existing = self._created, self._existing
        batch.skipped = self._skipped
        return batch

    def _begun(self) -> Batch:
        """Return the batch, written when the first document needs it."""
        if not self._is_begun:
            self._batch = Batch.objects.begin(self._batch)
            self._is_begun = True
        return self._batch

    @contextmanager
    def _naming(self, number: int, source: object) -> Iterator[None]:
        """Name the object that something is wrong with, by its key alone: no more of it."""
        try:
            yield
        except Exception as error:
            name = type(source).__name__
            if isinstance(source, models.Model):
                name = f"{source._meta.label} {source.pk}"
            error.add_note(
                f"request_many() was at object no. {number}: {name}. What it has committed stays; "
                "run again, it goes on with what is missing."
            )
            raise

    def _wanted(self, number: int, source: models.Model) -> _Wanted:
        if not isinstance(source, models.Model):
            raise TypeError(f"objects holds a {type(source).__name__}: a document is about a row.")
        about = identify(source)
        key = default_key(self._batch.template, None, about)
        if self._key is not None:
            key = self._key(source)
        return _Wanted(number, source, about, check_key(key), hash_key(key))

    def _row(self, one: _Wanted, **values: object) -> Render:
        return bulk.like(
            self._same, key=one.key, key_hash=one.key_hash, **one.about.values, **values
        )

    def _built(self, one: _Wanted) -> Render | None:
        """Return the row of a new document, with its data; ``None``: nothing to render."""
        with self._naming(one.number, one.source):
            data = self._data(one.source)
            if data is None:
                return None
            more: dict[str, object] = {"data": document_data(data)}
            if self._name_of is not None:
                more["filename"] = check_filename(self._name_of(one.source))
            return self._row(one, **more)

    def _known_of(self, wanted: Mapping[str, _Wanted]) -> dict[str, Render]:
        """Return the documents that are there, by the hashes of the keys they are wanted under."""
        known = self._found(wanted)
        if self._key is None:
            missing = {one.about: one for hashed, one in wanted.items() if hashed not in known}
            rows = self._rows()
            for about, render in known_by_label(rows, self._batch.template, missing).items():
                known[missing[about].key_hash] = render
        return known

    def _found(self, hashes: Collection[str], *, is_locked: bool = False) -> dict[str, Render]:
        rows = self._rows().filter(bulk.among("key_hash", hashes))
        return {row.key_hash: row for row in (lock(rows) if is_locked else rows)}

    def _rows(self) -> models.QuerySet[Render]:
        rows = type(self._same).objects.writer().filter(project=self._batch.project)
        return rows.only(*_COLUMNS)

    @in_transaction
    def _join(self, renders: Sequence[Render]) -> None:
        """Take documents that are there into the batch, where they are in none.

        As single requests do, a more urgent one raises those that others have requested.
        """
        rows, priority = type(self._same).objects.writer(), self._same.priority
        slower = [render.pk for render in renders if render.priority > priority]
        if slower:
            rows.filter(bulk.among("pk", slower)).update(priority=priority)
            jobs = Job.objects.writer().filter(bulk.among("object_id", slower))
            jobs.filter(kind=Job.Kind.RENDER, priority__gt=priority).update(priority=priority)
        free = [render.pk for render in renders if render.batch_id is None]
        if free:
            batch = self._begun()
            rows.filter(bulk.among("pk", free), batch=None).update(batch=batch)
            Batch.objects.reopen([batch.pk])

    def _write(self, rows: Mapping[str, Render], wanted: Mapping[str, _Wanted]) -> None:
        """Write new documents with their jobs."""
        if not rows:
            return
        batch = self._begun()
        found, created = self._insert(batch, list(rows.values()), wanted)
        self._created += created
        self._existing += len(rows) - created
        if found:
            self._join(found)

    @in_transaction
    def _insert(
        self, batch: Batch, rows: Sequence[Render], wanted: Mapping[str, _Wanted]
    ) -> tuple[list[Render], int]:
        """Insert documents with their jobs, but for keys that were taken since they were looked up.

        Return who has these keys, and how many documents are new.
        """
        using = database()
        # First, so that two calls with one name wait here, and not for rows of each other.
        lock(Batch.objects.using(using).filter(pk=batch.pk)).values_list("pk").get()
        now = clock.now()
        moments = {"requested_at": now, "attempted_at": now, "updated_at": now}
        rows = [bulk.like(row, batch_id=batch.pk, **moments) for row in rows]
        others: list[Render] = []
        new = rows
        if not bulk.insert(rows, using, ignore=True, keys=True):
            found = self._taken(rows)
            new = [row for row in found if (row.batch_id, row.requested_at) == (batch.pk, now)]
            others = [row for row in found if (row.batch_id, row.requested_at) != (batch.pk, now)]
            for row in others:
                one = wanted[row.key_hash]
                with self._naming(one.number, one.source):
                    row.check_same(self._batch.template, one.about)
        if new:
            pks = [row.pk for row in new]
            Job.objects.start_all(Job.Kind.RENDER, pks, batch.project, self._same.priority)
            # Written in any case: whoever looks at an earlier moment whether it is complete finds
            # that another has changed it since, and looks again.
            Batch.objects.reopen([batch.pk])
        return others, len(new)

    def _taken(self, rows: Sequence[Render]) -> list[Render]:
        """Return the documents that have the keys of rows which were inserted or passed over."""
        using = database()
        # MySQL: one may have been committed after what this transaction sees without a lock.
        is_mysql = connections[using].vendor == "mysql"
        hashes = {row.key_hash for row in rows}
        found = self._found(hashes, is_locked=is_mysql)
        if missing := [row for row in rows if row.key_hash not in found]:
            # It was no key that the database refused, and now it says what. Or it is gone again.
            bulk.insert(missing, using)
            found |= self._found(hashes - found.keys(), is_locked=is_mysql)
        return list(found.values())
