"""Documents are built: their data are made, and stored with who is to sign them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models, transaction

from django_craftkit import declarations
from django_craftkit.builders import (
    BuilderError,
    Built,
    NotConfirmed,
    UnknownBuilder,
    build,
    hold_source,
    renew_signatures,
    send_declared,
)
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock
from django_craftkit.models import Change, Job, Render, RenderWithdrawn
from django_craftkit.models.identity import stored_key
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.reconcile import calls
from django_craftkit.reconcile.results import Done, Failed, Reschedule, Result, result_of_error
from django_craftkit.reconcile.states import RemoteState
from django_craftkit.reconcile.timings import TIMINGS

from .poll import poll_delay
from .states import Status, apply_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_craftkit.models.source import Place
    from django_craftkit.reconcile.batches import Ended

#: Seconds to the next look at a document whose call may be under way.
LOOK_AGAIN = 5.0
#: Seconds for which a ``recheck`` that is false is retried.
CONFIRM_FOR = 60.0


def prepare(job: Job, render: Render) -> Result | None:
    """See that a document can be sent; return how the step ends where it can't."""
    if render.erased_at is not None:
        return _end_erased(render, job)
    if render.withdrawn_at is not None and render.sent_at is None:
        return _decide_here(render, Status.CANCELLED, Problem(ErrorCode.WITHDRAWN), job)
    if render.data is None:
        return _build(render, job)
    if not is_to_be_prepared(render):
        return None
    # Nobody makes the data of a snapshot anew: a retry requests its signatures.
    try:
        return None if _renew(render) else Reschedule(0.0)
    except RenderWithdrawn:
        return Reschedule(0.0)


def _end_erased(render: Render, job: Job) -> Result:
    """End what was erased before it was sent, or before Craftkit has answered.

    It is not sent once more: there are no data to send.
    """
    if render.sent_at is None:
        return _decide_here(render, Status.CANCELLED, Problem(ErrorCode.ERASED), job)
    since = render.sending_since or render.sent_at
    if not calls.is_over(render.project, since, database_now()):
        # Whoever sends it may be about to hear the answer.
        return Reschedule(LOOK_AGAIN)
    return _decide_here(render, Status.CANCELLED, Problem(ErrorCode.ERASED_UNANSWERED), job)


def is_to_be_prepared(render: Render) -> bool:
    """Whether more may have to be done before a document can be sent than to build it."""
    if render.erased_at is not None:
        return True
    is_renewed = render.attempt > 1 and not render.builder
    return render.sent_at is None and (render.withdrawn_at is not None or is_renewed)


def read_sources(renders: Sequence[Render]) -> dict[Place, models.Model]:
    """Return what these documents are about, as it is saved now: with a query for each model."""
    wanted: dict[tuple[str, type[models.Model]], dict[str, Place]] = {}
    for render in renders:
        declaration = declarations.of(render.builder, render.template, render.project)
        is_plain = declaration is not None and declaration.proxy is None
        if is_plain and render.source_schema is None and (place := render.place) is not None:
            wanted.setdefault((place.using or database(), place.model), {})[place.pk] = place
    found: dict[Place, models.Model] = {}
    for (using, model), places in wanted.items():
        for source in model._base_manager.using(using).filter(pk__in=places):
            found[places[stored_key(model, source.pk)]] = source
    return found


def build_here(job: Job, render: Render, sources: dict[Place, models.Model]) -> Built | Ended | Job:
    """Build a document in the thread of the loop; what it returns is not stored yet."""
    place = render.place
    # A second document about the same object is not built from what the first has made of it.
    source = None if place is None else sources.pop(place, None)
    try:
        made = _make(render, job, source)
        if made is None:
            return job
        if not isinstance(made, Built):
            return job, made
        if not made.goes_to_somebody and render.attempt == 1:
            return made
        # With who is to sign it, or gets a mail, by itself.
        return job if store(render, made) else (job, Reschedule(0.0))
    except Exception as error:
        return job, result_of_error(job, error)


def _build(render: Render, job: Job) -> Result | None:
    """Make the data from what was really saved; return ``None`` where they can be sent."""
    built = _make(render, job)
    if built is None:
        return _build_locked(render, job)
    if not isinstance(built, Built):
        return built
    # Another was faster where nothing was stored: the next step sees what there is to do.
    return None if store(render, built) else Reschedule(0.0)


def _make(render: Render, job: Job, source: models.Model | None = None) -> Built | Result | None:
    """Return what the functions of a declaration make, or how the step ends.

    ``None``: there seems to be nothing to render.
    """
    # What a snapshot's function raised at its event, if it did.
    problem = render.problem if render.error_code == ErrorCode.BUILDER_FAILED else None
    try:
        with TIMINGS.measured(render.builder):
            built = None if problem else build(render, source)
    except UnknownBuilder as unknown:
        # Another worker, or this one once it is restarted, may well know it.
        return Failed(unknown.problem)
    except NotConfirmed:
        return _confirm_later(render, job)
    except BuilderError as raised:
        problem = raised.problem
    if problem:
        return _decide_here(render, Status.REJECTED, problem, job)
    return built


@in_transaction
def _confirm_later(render: Render, job: Job) -> Result:
    """Give what the event said a minute to be saved; reject the document after that."""
    row = lock(Render.objects.writer()).filter(pk=render.pk).first()
    if row is None or row.attempt != render.attempt or not row.is_unbuilt:
        return Reschedule(0.0)
    now = database_now()
    if row.unconfirmed_since is None:
        # Another event under its key clears it.
        Render.objects.writer().filter(pk=row.pk).update(unconfirmed_since=now)
    age = (now - (row.unconfirmed_since or now)).total_seconds()
    problem = Problem(ErrorCode.NOT_CONFIRMED)
    if age < CONFIRM_FOR:
        return Reschedule(min(poll_delay(age), CONFIRM_FOR - age), problem)
    return _decide_here(row, Status.REJECTED, problem, job)


def store(render: Render, built: Built) -> bool:
    """Store the data and who is to sign them; ``False`` where the document is another's by now."""
    try:
        stored = _store_both(render, built)
    except RenderWithdrawn:
        stored = False
    built.set_on(render)
    return stored


@in_transaction
def _store_both(render: Render, built: Built) -> bool:
    # Stored before it is sent: other data never go out under a key that was used.
    stored = (
        Render.objects.writer()
        .filter(pk=render.pk, attempt=render.attempt, status=Status.PENDING, data__isnull=True)
        .filter(erased_at=None)
        .update(**built.columns)
    )
    if stored:
        send_declared(render, built)
    return bool(stored)


@in_transaction
def _renew(render: Render) -> bool:
    rows = lock(Render.objects.writer()).filter(pk=render.pk, attempt=render.attempt)
    if not rows.filter(status=Status.PENDING).values_list("pk"):
        return False
    renew_signatures(render)
    return True


@in_transaction
def _build_locked(render: Render, job: Job) -> Result:
    """Forget a document without data, unless somebody is just saving what would have some.

    An event that finds the document waiting leaves it to this worker without a write: what its
    transaction has saved was perhaps not committed yet when the data were made.
    """
    with transaction.atomic(using=render.source_db or database()):
        if not hold_source(render):
            return Reschedule(1.0)
        try:
            built = build(render)
        except (BuilderError, NotConfirmed, UnknownBuilder):
            return Reschedule(0.0)
        return _drop(render, job) if built is None else Reschedule(0.0)


@in_transaction
def _drop(render: Render, job: Job) -> Result:
    """Forget a document that there turned out to be no data for, as if it never was requested."""
    # Not lock(): whoever is about to refer to the row has it locked, until that is to be seen.
    row = Render.objects.writer().select_for_update().filter(pk=render.pk).first()
    if row is None or row.attempt != render.attempt or not row.is_unbuilt:
        return Reschedule(0.0)
    if not Job.objects.mine(job).filter(version=job.version).exists():
        # The event fired again, and there may be something now, or another builds it.
        return Reschedule(0.0)
    is_wanted = row.shares.writer().exists() or row.signature_requests.writer().exists()
    is_wanted = is_wanted or Render.objects.writer().filter(supersedes=row.pk).exists()
    if is_wanted or row.attempt > 1:
        return _decide_here(row, Status.CANCELLED, Problem(ErrorCode.NOTHING_TO_RENDER), job)
    row.delete(using=database())
    return Done()


def _decide_here(render: Render, status: Status, problem: Problem, job: Job) -> Result:
    return decide_here(render, RemoteState.decided(status, problem), job)


@in_transaction
def decide_here(render: Render, state: RemoteState, job: Job) -> Result:
    """End a document that is not sent yet, unless another has taken it over."""
    # The document first, as whoever schedules its job does.
    lock(Render.objects.writer()).filter(pk=render.pk).values("pk").first()
    is_mine = Job.objects.mine(job).exists()
    is_ended = is_mine and apply_one(render, state, Change.Cause.HERE) is not None
    return Done() if is_ended else Reschedule(0.0)
