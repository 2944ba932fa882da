"""Moments in the life of a step, by name: what a test lets happen there.

A test says the moment; where the moment is found is said here, once. A seam holds on to what stays
whatever the engine looks like: the call that leaves and its answer (the sandbox's adapter), the
statements and transactions of the database (Django's cursor and ``atomic``), the project's own
functions, the clock. The last part holds on to names of the engine, because nothing else knows of
those moments: who renames or rewrites what it names attaches it anew there.

``act`` runs in the thread that comes to the moment. It may raise: `Killed` for a worker that ends
there, an error for what fails there. What it does itself comes to no moment of its own seam. Unless
it says otherwise a seam is for the first time, in any thread.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from django_craftkit import builders
from django_craftkit.models import Job
from django_craftkit.models.claims import Leased, LeasedQuerySet
from django_craftkit.reconcile import deliveries, engagement, executor, loop, single, steps
from django_craftkit.reconcile.exclusion import Exclusion
from django_craftkit.reconcile.noting import Noting
from django_craftkit.reconcile.renders import send as documents
from django_craftkit.reconcile.renders import states as renders
from django_craftkit.reconcile.results import Reschedule
from django_craftkit.reconcile.shares import states as shares
from django_craftkit.reconcile.states import RemoteState
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import pytest
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet

    from django_craftkit import client
    from django_craftkit.models import Change, Render, Share
    from tests.helpers import Elsewhere


class _Moment:
    """Lets something happen so many times; ``times=None``: each time."""

    def __init__(self, act: Callable[[], object], times: int | None = 1) -> None:
        self._act, self._left = act, times
        self._lock = threading.Lock()
        self._inside = threading.local()

    def come(self) -> None:
        if getattr(self._inside, "is_acting", False):
            return
        with self._lock:
            if self._left == 0:
                return
            if self._left is not None:
                self._left -= 1
        self._inside.is_acting = True
        try:
            self._act()
        finally:
            self._inside.is_acting = False


# Calls to Craftkit


def before_sending(
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    act: Callable[[], object],
    method: str = "POST",
    times: int | None = 1,
) -> None:
    """A call is on its way to Craftkit, which has not got it yet.

    All that has to be committed before the call is. ``ending`` ends the path of the call; every
    path does with an empty one.
    """
    moment, send = _Moment(act, times), SandboxAdapter.send

    def stalled(self, request, *args, **kwargs):
        if request.method == method and request.path_url.endswith(ending):
            moment.come()
        return send(self, request, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", stalled)


def after_sending(
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    act: Callable[[], object],
    method: str = "POST",
    times: int | None = 1,
) -> None:
    """Craftkit has acted, and its answer is on the way; nothing of it is known here.

    ``ending`` as for `before_sending`.
    """
    moment, send = _Moment(act, times), SandboxAdapter.send

    def late(self, request, *args, **kwargs):
        answer = send(self, request, *args, **kwargs)
        if request.method == method and request.path_url.endswith(ending):
            moment.come()
        return answer

    monkeypatch.setattr(SandboxAdapter, "send", late)


@contextmanager
def together(
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    method: str = "POST",
    act: Callable[[], object] | None = None,
) -> Iterator[None]:
    """So many calls are answered at the same time, after ``act``, which runs in one's thread."""
    barrier = threading.Barrier(number, action=act, timeout=TIMEOUT)
    send = SandboxAdapter.send

    def meet(self, request, *args, **kwargs):
        answer = send(self, request, *args, **kwargs)
        if request.method == method:
            barrier.wait()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", meet)
        yield


def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what lets seconds pass, by the clock that deadlines go by, and wait for none."""
    lock, passed, monotonic = threading.Lock(), [0.0], time.monotonic

    def let_pass(seconds: float) -> None:
        with lock:
            passed[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed[0])
    return let_pass


def calls_take(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Each call to Craftkit takes so many seconds more, by the clock that deadlines go by."""
    let_pass, send = passing(monkeypatch), SandboxAdapter.send

    def slow(self, *args, **kwargs):
        let_pass(seconds)
        return send(self, *args, **kwargs)

    monkeypatch.setattr(SandboxAdapter, "send", slow)


# The project's own functions


def after_building(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int | None = 1
) -> None:
    """The functions of a declaration have returned, or raised, and their transaction is over.

    Of what they made nothing is stored. Where ``act`` raises, that is what became of them.
    """
    moment, call = _Moment(act, times), builders.call

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        finally:
            moment.come()

    monkeypatch.setattr(builders, "call", interrupted)


# Statements and transactions

Verb = Literal["INSERT", "UPDATE", "DELETE"]
_WRITE = re.compile(
    r"\b(INSERT|UPDATE|DELETE)(?:\s+(?:OR\s+)?(?:IGNORE|\w+(?=\s+FROM)))?(?:\s+(?:INTO|FROM))?"
    r"\s+[\"`]?(\w+)"
)

_LOCKS = re.compile(r"^(?!SELECT)|\bFOR (NO KEY )?UPDATE\b")


class _Told(TypedDict, total=False):
    """Which statements a seam is about, beside their model, in the words of `before_writing`."""

    verb: Verb
    setting: str
    saying: str


class _Write:
    """The statements that write to a table: by verb, by columns they set, by what they say."""

    def __init__(
        self, model: type[Model], verb: Verb | None = None, setting: str = "", saying: str = ""
    ) -> None:
        self._table, self._verb = model._meta.db_table, verb
        self._setting, self._saying = setting, saying

    def matches(self, sql: str, params: Any) -> bool:
        verbs = {verb for verb, table in _WRITE.findall(sql) if table == self._table}
        if not verbs or (self._verb is not None and self._verb not in verbs):
            return False
        if self._setting and not _gives(sql, params, self._setting):
            return False
        return not self._saying or self._saying in _text(params)


def _gives(sql: str, params: Any, column: str) -> bool | None:
    """Whether an UPDATE gives a column a value, or NULL; ``None`` where it leaves it alone."""
    head = sql.partition(" WHERE ")[0]
    found = re.search(rf"[\"`. (,]{column}[\"`]? = (NULL|%s)?", head)
    if found is None:
        return None
    if found[1] == "%s":
        # Newer versions of Django pass NULL as they pass values; SQLite takes many rows at once.
        number = head[: found.start()].count("%s")
        rows = params if isinstance(params[0], (list, tuple)) else [params]
        return any(row[number] is not None for row in rows)
    return found[1] is None


def _text(params: Any) -> str:
    """Return what the parameters of a statement say, JSON among them as text."""
    if isinstance(params, (list, tuple)):
        return "\n".join(map(_text, params))
    return str(getattr(params, "obj", params))


def before_writing(
    monkeypatch: pytest.MonkeyPatch,
    model: type[Model],
    act: Callable[[], object],
    *,
    times: int | None = 1,
    **told: Unpack[_Told],
) -> None:
    """A statement is about to write rows of a model; where ``act`` raises, it doesn't.

    ``verb`` is which statement, ``setting`` a column that it gives a value to, ``saying`` some
    text among its values.
    """
    moment, write = _Moment(act, times), _Write(model, **told)
    _at_each_statement(
        monkeypatch, before=lambda _, sql, params: write.matches(sql, params) and moment.come()
    )


def after_writing(
    monkeypatch: pytest.MonkeyPatch,
    model: type[Model],
    act: Callable[[], object],
    *,
    times: int | None = 1,
    **told: Unpack[_Told],
) -> None:
    """A statement has written rows of a model, and its transaction, if it is in one, goes on."""
    moment, write = _Moment(act, times), _Write(model, **told)
    _at_each_statement(
        monkeypatch, after=lambda _, sql, params: write.matches(sql, params) and moment.come()
    )


def before_committing(
    monkeypatch: pytest.MonkeyPatch,
    model: type[Model],
    act: Callable[[], object],
    **told: Unpack[_Told],
) -> None:
    """All of a transaction is written that wrote rows of a model, and nothing is committed yet.

    Where ``act`` raises, it is rolled back. The statement is told as for `before_writing`; one that
    is in no transaction commits at once, and this is the moment before it. A transaction that was
    open when the seam was made, as that of a test case is, is nobody's: in it a savepoint that is
    released stands for a commit.
    """
    _at_commit(monkeypatch, _Write(model, **told), before=_Moment(act))


def after_committing(
    monkeypatch: pytest.MonkeyPatch,
    model: type[Model],
    act: Callable[[], object],
    **told: Unpack[_Told],
) -> None:
    """What wrote rows of a model is committed, and nothing is done that comes after it.

    The statement is told as for `before_writing`, transactions as for `before_committing`.
    """
    _at_commit(monkeypatch, _Write(model, **told), after=_Moment(act))


def after_reading(
    monkeypatch: pytest.MonkeyPatch,
    model: type[Model],
    act: Callable[[], object],
    *,
    is_it: Callable[[BaseDatabaseWrapper], bool] = lambda _: True,
) -> None:
    """Rows of a model were read by a query that locks nothing; nothing is decided by them yet.

    ``is_it`` says of a connection whether this is the one; it is asked in the thread that reads.
    """
    moment, table = _Moment(act), re.compile(rf"\bFROM [\"`]?{model._meta.db_table}\b")
    read: set[int] = set()
    close = getattr(CursorWrapper, "close", None)

    def note(cursor: CursorWrapper, sql: str, params: Any) -> None:
        if table.search(sql) and not _LOCKS.search(sql):
            read.add(id(cursor))

    def closed(self: CursorWrapper) -> None:
        # Not at the statement: SQLite holds its lock until the last row was fetched.
        close(self) if close else self.cursor.close()
        if id(self) in read:
            read.discard(id(self))
            if is_it(self.db):
                moment.come()

    _at_each_statement(monkeypatch, after=note)
    monkeypatch.setattr(CursorWrapper, "close", closed, raising=False)


def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Return what gets each statement, on any connection, with the thread that it is of."""
    seen: list[tuple[int, str]] = []
    _at_each_statement(
        monkeypatch, before=lambda _, sql, params: seen.append((threading.get_ident(), sql))
    )
    return seen


def waits_for_lock(
    monkeypatch: pytest.MonkeyPatch, *models: type[Model]
) -> Callable[[Elsewhere], bool]:
    """Return what says whether somebody has asked to lock rows of a model, or has ended.

    Whoever does this while the rows are locked knows by then that it is waited for.
    """
    seen, here = statements(monkeypatch), threading.get_ident()
    locks = ("FOR UPDATE", "FOR NO KEY UPDATE")
    tables = [model._meta.db_table for model in models]

    def has_come(somebody: Elsewhere) -> bool:
        return not somebody.is_alive() or any(
            thread != here and sql.endswith(locks) and any(table in sql for table in tables)
            for thread, sql in seen
        )

    return has_come


def _at_each_statement(
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[CursorWrapper, str, Any], object] = lambda *_: None,
    after: Callable[[CursorWrapper, str, Any], object] = lambda *_: None,
) -> None:
    for name in ("execute", "executemany"):
        known = getattr(CursorWrapper, name)

        def watched(self: CursorWrapper, sql: Any, params: Any = None, known: Any = known) -> Any:
            before(self, str(sql), params)
            done = known(self, sql, params)
            after(self, str(sql), params)
            return done

        monkeypatch.setattr(CursorWrapper, name, watched)


class _Place:
    """Where a test stands: what is open there already is no transaction of anybody else."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._depths = {one.alias: _depth(one) for one in connections.all(initialized_only=True)}

    def depth(self, connection: BaseDatabaseWrapper) -> int:
        """Return how many blocks of others are open around what is done now."""
        is_mine = threading.get_ident() == self._thread
        return _depth(connection) - (self._depths.get(connection.alias, 0) if is_mine else 0)

    def is_in_transaction(self, connection: BaseDatabaseWrapper) -> bool:
        return self.depth(connection) > 0


def _depth(connection: BaseDatabaseWrapper) -> int:
    return len(connection.savepoint_ids) + connection.in_atomic_block


def _at_commit(
    monkeypatch: pytest.MonkeyPatch,
    write: _Write,
    before: _Moment | None = None,
    after: _Moment | None = None,
) -> None:
    place = _Place()
    written: set[tuple[int, str]] = set()
    leave = transaction.Atomic.__exit__

    def at_statement(moment: _Moment | None, cursor: CursorWrapper, sql: str, params: Any) -> None:
        if not write.matches(sql, params):
            return
        if place.is_in_transaction(cursor.db):
            written.add((threading.get_ident(), cursor.db.alias))
        elif moment is not None:
            moment.come()

    def left(self: transaction.Atomic, kind: Any, error: Any, traceback: Any) -> None:
        connection = transaction.get_connection(self.using)
        here = (threading.get_ident(), connection.alias)
        if here not in written or place.depth(connection) != 1:
            leave(self, kind, error, traceback)
            return
        written.discard(here)
        if kind is None and before is not None:
            try:
                before.come()
            except BaseException as raised:
                leave(self, type(raised), raised, raised.__traceback__)
                raise
        leave(self, kind, error, traceback)
        if kind is None and after is not None:
            after.come()

    _at_each_statement(
        monkeypatch,
        before=lambda *given: at_statement(before, *given),
        after=lambda *given: at_statement(after, *given),
    )
    monkeypatch.setattr(transaction.Atomic, "__exit__", left)


# Moments of a step, as statements and transactions show them


def before_marking_as_sent(
    monkeypatch: pytest.MonkeyPatch, model: type[Model], act: Callable[[], object]
) -> None:
    """A worker has read what it is about to send, and has not begun to say that it is being sent.

    The last moment at which somebody else can stop the call: what writes ``sending_since`` looks
    whether they have. It is where a thread that has claimed a job reads rows outside a transaction.
    """
    claim, claimed, place = _Write(Job, "UPDATE", "lease_token"), set[int](), _Place()

    def note(cursor: CursorWrapper, sql: str, params: Any) -> None:
        if claim.matches(sql, params):
            claimed.add(threading.get_ident())

    def is_it(connection: BaseDatabaseWrapper) -> bool:
        return threading.get_ident() in claimed and not place.is_in_transaction(connection)

    _at_each_statement(monkeypatch, after=note)
    after_reading(monkeypatch, model, act, is_it=is_it)


def after_marking_as_sent(
    monkeypatch: pytest.MonkeyPatch, model: type[Model], act: Callable[[], object]
) -> None:
    """``sending_since`` of a row is committed, and the call is not made yet."""
    after_committing(monkeypatch, model, act, verb="UPDATE", setting="sending_since")


def at_claim(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int | None = 1
) -> None:
    """A worker is about to look for jobs to take; where ``act`` raises, that fails."""
    moment, jobs = _Moment(act, times), re.compile(rf"\bFROM [\"`]?{Job._meta.db_table}\b")

    def looks(cursor: CursorWrapper, sql: str, params: Any) -> None:
        # Nothing else reads jobs by when they are due, by name or as the second of its columns.
        if jobs.search(sql) and re.search(r"ORDER BY ([^()]*\bdue_at\b|2 )", sql):
            moment.come()

    _at_each_statement(monkeypatch, before=looks)


def at_result(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int | None = 1
) -> None:
    """A worker is about to write when the job of a step that ended is due again.

    Where ``act`` raises, that fails.
    """
    moment, write = _Moment(act, times), _Write(Job, "UPDATE")

    def releases(cursor: CursorWrapper, sql: str, params: Any) -> None:
        if write.matches(sql, params) and _gives(sql, params, "lease_token") is False:
            moment.come()

    _at_each_statement(monkeypatch, before=releases)


# Moments that only the engine's own names know of


@contextmanager
def step_fails(kind: str, error: BaseException) -> Iterator[None]:
    """The step of each job of a kind raises, by a mistake of ours, before it has done anything."""
    with _step(kind, _raising(error)):
        yield


@contextmanager
def step_waits(kind: str) -> Iterator[None]:
    """Each job of a kind finds that it is too early, and comes again half a second later."""
    with _step(kind, lambda job: Reschedule(0.5)):
        yield


@contextmanager
def step_circles(kind: str) -> Iterator[list[Job]]:
    """Each job of a kind asks for its next step at once, whatever happens; yields the steps."""
    steps: list[Job] = []

    def circle(job: Job) -> Reschedule:
        steps.append(job)
        return Reschedule(0.0)

    with _step(kind, circle):
        yield steps


def has_circled(worker: loop.Loop, job: Job, times: int) -> None:
    """A job has asked this loop for its next step at once so often in a row."""
    worker._noting._at_once[job.pk] = times


def take_step(job: Job) -> Any:
    """Take the step of a job whoever has it, in this thread, and write nothing of how it ended."""
    return steps.STEPS[job.kind](job)


def carry_out(kind: str, object_id: int) -> None:
    """Be a worker who takes one job, of one object, before its time, and no other."""
    job = single.take(kind, object_id)
    assert job is not None, "somebody has leased it, or it is paused"
    single.Single(Exclusion(), Noting(lambda delay: None)).carry(job)


def after_claiming(
    monkeypatch: pytest.MonkeyPatch, model: type[Leased], act: Callable[[], object]
) -> None:
    """A worker has claimed due rows of a model, which is committed, and done nothing with them."""
    moment, claim = _Moment(act), LeasedQuerySet.claim

    def taken(self: LeasedQuerySet, *args: Any, **kwargs: Any) -> list[Any]:
        rows = claim(self, *args, **kwargs)
        if rows and self.model is model:
            moment.come()
        return rows

    monkeypatch.setattr(LeasedQuerySet, "claim", taken)


def claimed(monkeypatch: pytest.MonkeyPatch, model: type[Leased]) -> list[Any]:
    """Return what gets each row of a model that workers claim from now on."""
    taken: list[Any] = []
    claim = LeasedQuerySet.claim

    def noted(self: LeasedQuerySet, *args: Any, **kwargs: Any) -> list[Any]:
        rows = claim(self, *args, **kwargs)
        taken.extend(rows if self.model is model else ())
        return rows

    monkeypatch.setattr(LeasedQuerySet, "claim", noted)
    return taken


def claim(
    rows: QuerySet[Any], limit: int = 100, *, now: datetime, lease: timedelta = timedelta(minutes=2)
) -> list[Any]:
    """Be a worker who claims up to ``limit`` due jobs or webhooks; return them as claimed."""
    claimed: list[Any] = rows.claim(limit, now=now, lease=lease)
    return claimed


def finish(job: Job) -> None:
    """Be the worker who has claimed a job, and has nothing left to do for it."""
    Job.objects.done(job)


def put_back(job: Job, due_at: datetime) -> None:
    """Be the worker who has claimed a job, and wants it taken up again later."""
    Job.objects.reschedule(job, due_at)


def process_webhooks(now: datetime) -> int:
    """Be a worker who applies one batch of the webhooks that are due; return how many."""
    return deliveries.process(now)


def batches_of(monkeypatch: pytest.MonkeyPatch, webhooks: int) -> None:
    """So many webhooks are applied in one batch at most."""
    monkeypatch.setattr(deliveries, "BATCH", webhooks)


def bytes_at_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Documents of so many bytes, about, are under way at once at most, or one of more."""
    for module in (executor, documents):
        monkeypatch.setattr(module, "MOST_BYTES", number)


def looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a thread of its own, and finds none, is due again at once."""
    monkeypatch.setattr(loop, "NO_HELPER", 0.0)


def solitudes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what gets an entry each time that a worker stops its other threads to be alone."""
    alone, stops = Exclusion.exclusive, []

    def counted(self: Exclusion, *args: Any) -> Any:
        stops.append(self)
        return alone(self, *args)

    monkeypatch.setattr(Exclusion, "exclusive", counted)
    return stops


def at_webhook(monkeypatch: pytest.MonkeyPatch, act: Callable[[bytes], object]) -> None:
    """A worker is about to read the body of a stored webhook, each time, given to ``act``.

    The webhook is claimed, and the transaction that applies its batch is open. What ``act`` raises
    is raised by the reading.
    """
    load = deliveries.untrusted.loads

    def read(body: bytes) -> Any:
        act(body)
        return load(body)

    monkeypatch.setattr(deliveries, "untrusted", SimpleNamespace(loads=read))


def webhooks_read(monkeypatch: pytest.MonkeyPatch, event: str, read: Callable[..., Any]) -> None:
    """Be a version that reads webhooks of an event: ``read(states, project, payload)``.

    It returns what they are about.
    """
    named = lambda *given: deliveries.Named(read(*given))  # noqa: E731
    monkeypatch.setitem(deliveries._READERS, event, named)


def when_waiting(monkeypatch: pytest.MonkeyPatch, nap: Callable[[float], object]) -> None:
    """Whoever waits for Craftkit would sleep for some seconds: ``nap(seconds)`` instead."""
    monkeypatch.setattr(single.time, "sleep", nap)


def looks(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Whoever waits for Craftkit looks again after so many seconds, the last ones each time."""
    monkeypatch.setattr(single, "WAITS", seconds)


def _raising(error: BaseException) -> Callable[[Job], Any]:
    def fail(job: Job) -> Any:
        raise error

    return fail


@contextmanager
def _step(kind: str, step: Callable[[Job], Any]) -> Iterator[None]:
    known, batch = steps.STEPS[kind], steps.BATCHES.pop(kind, None)
    steps.STEPS[kind] = step
    try:
        yield
    finally:
        steps.STEPS[kind] = known
        if batch is not None:
            steps.BATCHES[kind] = batch


def apply_to_render(render: Render, status: str, cause: Change.Cause, **said: Any) -> Render | None:
    """Apply what is said of a document's attempt to its row; ``None`` where it does not count."""
    return renders.apply_one(render, RemoteState(status, **said), cause)


def apply_to_share(share: Share, found: client.Share, cause: Change.Cause) -> Share:
    """Apply what Craftkit says of a link to its row."""
    return shares.apply(shares.of_link(share, found, cause))


def apply_engagement(render: Render, read: client.Engagement) -> None:
    """Apply what Craftkit says of a document's events and counts."""
    engagement.apply_read(render, read)
