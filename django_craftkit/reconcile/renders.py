"""Documents: built, sent, followed to their end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_craftkit import clock, conf
from django_craftkit.builders import (
    BuilderError,
    Built,
    NotConfirmed,
    UnknownBuilder,
    ask_signatures,
    build,
    renew_signatures,
)
from django_craftkit.client import Conflict, CraftkitError, InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock, storable, update_many
from django_craftkit.log import get_logger
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    RenderWithdrawn,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.render import (
    BUILDER_FAILED,
    FINAL,
    KIND,
    NOT_CONFIRMED,
    NOTHING,
    NOTHING_TO_RENDER,
)
from django_craftkit.models.signature import SEND as SEND_SIGNATURE
from django_craftkit.projects import get_client

from . import calls
from .facts import (
    earliest,
    is_of_another,
    join_answers,
    kept,
    lock_about,
    lock_by_remote_id,
    refusal,
    used_elsewhere,
    why,
)
from .moments import here
from .outcomes import Again, Done, Failed, Outcome

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping

    from django_craftkit import client

logger = get_logger(__name__)

Status = Render.Status

#: Facts of a higher rank win, so that any order of them ends in the same status.
RANK = {
    status: rank
    for rank, status in enumerate(
        (
            Status.PENDING,
            Status.QUEUED,
            Status.RENDERING,
            Status.REJECTED,
            Status.CANCELLED,
            Status.FAILED,
            Status.SUCCEEDED,
        )
    )
}
SIGNAL = {
    Status.SUCCEEDED: "render_succeeded",
    Status.FAILED: "render_failed",
    Status.REJECTED: "render_rejected",
    Status.CANCELLED: "render_cancelled",
}
#: What facts may change.
COLUMNS = (
    "status",
    "remote_id",
    "answer",
    "error",
    "error_code",
    "field_errors",
    "accepted_at",
    "completed_at",
)
#: Seconds to the first poll, and how lately a webhook must have come for it to be put off.
FIRST_POLL, FIRST_POLL_WITH_WEBHOOKS = 1.0, 20.0
WEBHOOKS_LATELY = timedelta(hours=1)
MAX_POLL = 900.0
#: Seconds for which a ``recheck`` that is false is asked again.
CONFIRM_FOR = 60.0


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a document from one source at one time."""

    status: str
    remote_id: uuid.UUID | None = None
    error: str = ""
    error_code: str = ""
    field_errors: Mapping[str, list[str]] = field(default_factory=dict)
    accepted_at: datetime | None = None
    completed_at: datetime | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, render: client.Render) -> Fact:
        return cls(
            status=render.status,
            remote_id=render.id,
            error=storable(render.error_message or ""),
            accepted_at=here(render.created_at),
            completed_at=here(render.completed_at),
            answer=kept(render, durationMs=render.duration_ms),
        )


def step(job: Job) -> Outcome:
    """Do what a document needs next."""
    render = Render.objects.using(database()).filter(pk=job.object_id).first()
    if render is None or render.is_final:
        return Done()
    if render.status != Status.PENDING:
        return _poll(render)
    if render.withdrawn_at is not None and render.sent_at is None:
        fact = Fact(Status.CANCELLED, error="It was withdrawn before it was sent.")
        return _decide_here(render, fact, job)
    outcome = _build(render, job) if render.data is None else _prepare_again(render)
    return outcome or _send(render)


def _build(render: Render, job: Job) -> Outcome | None:
    """Make the data from what was really saved; return ``None`` where they can be sent."""
    error = render.error if render.error_code == BUILDER_FAILED else ""
    try:
        built = None if error else build(render)
    except UnknownBuilder as unknown:
        # Another worker, or this one once it is restarted, may well know it.
        return Failed(str(unknown))
    except NotConfirmed:
        return _confirm_later(render, job)
    except BuilderError as raised:
        error = str(raised)
    if error:
        fact = Fact(Status.REJECTED, error=error, error_code=BUILDER_FAILED)
        return _decide_here(render, fact, job)
    if built is None:
        return _drop(render, job)
    try:
        stored = _store(render, built)
    except RenderWithdrawn:
        stored = False
    render.data = built.data
    # Another was faster where nothing was stored: look again at what there is to do.
    return None if stored else Again(0.0)


@in_transaction
def _confirm_later(render: Render, job: Job) -> Outcome:
    """Give what the event said a minute to be saved; reject the document after that."""
    row = lock(Render.objects.using(database())).filter(pk=render.pk).first()
    if row is None or row.attempt != render.attempt or not row.is_unbuilt:
        return Again(0.0)
    now = database_now()
    if row.unconfirmed_since is None:
        # Another event under its key clears it.
        Render.objects.using(database()).filter(pk=row.pk).update(unconfirmed_since=now)
    age = (now - (row.unconfirmed_since or now)).total_seconds()
    error = "recheck is false of the object as it is saved: what the event said is not in it."
    if age < CONFIRM_FOR:
        return Again(min(poll_delay(age), CONFIRM_FOR - age), error=error)
    fact = Fact(Status.REJECTED, error=error, error_code=NOT_CONFIRMED)
    return _decide_here(row, fact, job)


@in_transaction
def _store(render: Render, built: Built) -> bool:
    """Store the data and who is to sign them: both, or neither."""
    # Stored before it is sent: other data never go out under a key that was used.
    stored = (
        Render.objects.using(database())
        .filter(pk=render.pk, attempt=render.attempt, status=Status.PENDING, data__isnull=True)
        .update(data=built.data)
    )
    if stored:
        ask_signatures(render, built.envelope)
    return bool(stored)


def _prepare_again(render: Render) -> Outcome | None:
    """Ask for the signatures of a snapshot that is tried again: nobody makes its data anew."""
    if render.attempt == 1 or render.builder or render.sent_at is not None:
        return None
    try:
        return None if _renew(render) else Again(0.0)
    except RenderWithdrawn:
        return Again(0.0)


@in_transaction
def _renew(render: Render) -> bool:
    rows = lock(Render.objects.using(database())).filter(pk=render.pk, attempt=render.attempt)
    if not rows.filter(status=Status.PENDING).values_list("pk"):
        return False
    renew_signatures(render)
    return True


@in_transaction
def _drop(render: Render, job: Job) -> Outcome:
    """Forget a document that there turned out to be no data for, as if it never was asked for."""
    # Not lock(): whoever is about to refer to the row has it locked, until that is to be seen.
    rows = Render.objects.using(database()).select_for_update()
    row = rows.filter(pk=render.pk).first()
    if row is None or row.attempt != render.attempt or not row.is_unbuilt:
        return Again(0.0)
    if not Job.objects.mine(job).filter(version=job.version).exists():
        # The event fired again, and there may be something now, or another builds it.
        return Again(0.0)
    wishes = (Share, SignatureRequest)
    is_wanted = any(
        model._default_manager.using(database()).filter(render=row).exists() for model in wishes
    )
    if is_wanted or row.attempt > 1:
        fact = Fact(Status.CANCELLED, error=NOTHING, error_code=NOTHING_TO_RENDER)
        return _decide_here(row, fact, job)
    row.delete(using=database())
    return Done()


def _send(render: Render) -> Outcome:
    client_of_project = get_client(render.project, max_retries=0)
    before = calls.noted(render)
    if not _begin(render):
        return Again(0.0)
    try:
        answer = client_of_project.renders.render(
            render.template,
            render.data or {},
            idempotency_key=wire_key(render),
            version=render.version,
        )
    except (InvalidRequest, NotFound, Conflict) as error:
        if error.is_passing:
            raise
        fact = Fact(Status.REJECTED, **refusal(error))
        return _decide(render, fact)
    except CraftkitError as error:
        if error.proves_inaction:
            calls.take_back(render, before)
        raise
    sent_at = render.sent_at or database_now()
    if is_of_another(answer, sent_at):
        fact = Fact(Status.REJECTED, **used_elsewhere(answer))
        return _decide(render, fact)
    row = hear_one(render, Fact.of(answer), Change.Cause.ANSWER)
    if row is None:
        # Another attempt has begun, or another id is known: look again at what there is to do.
        return Again(1.0, heard=True)
    return Done(heard=True) if row.is_final else Again(_first_poll(row), heard=True)


def _decide(render: Render, fact: Fact) -> Outcome:
    """End a document that Craftkit refuses, unless it has accepted it meanwhile."""
    row = hear_one(render, fact, Change.Cause.ANSWER)
    return Again(0.0, heard=True) if row is None else Done(heard=True)


@in_transaction
def _decide_here(render: Render, fact: Fact, job: Job) -> Outcome:
    """End a document that is not sent yet, unless another has taken it over."""
    # The document first, as whoever asks for its job does.
    lock(Render.objects.using(database())).filter(pk=render.pk).values("pk").first()
    if not Job.objects.mine(job).exists():
        return Again(0.0)
    return Again(0.0) if hear_one(render, fact, Change.Cause.HERE) is None else Done()


def _begin(render: Render) -> bool:
    """Say that this attempt is being sent, unless it was withdrawn before it ever was."""
    wanted = Render.objects.using(database()).filter(attempt=render.attempt)
    if render.sent_at is None:
        wanted = wanted.filter(withdrawn_at=None)
    return calls.note(render, wanted)


def remote_id_of(render: Render) -> uuid.UUID:
    """Return Craftkit's id of an accepted document."""
    if render.remote_id is None:
        raise ValueError(f"{render} is {render.status} and has no id at Craftkit.")
    return render.remote_id


@in_transaction
def is_final_by_now(pk: int) -> bool:
    """Whether a document has come to its end, waiting for whoever is about to say so."""
    render: Render = lock(Render.objects.using(database())).only("status").get(pk=pk)
    return render.is_final


def wire_key(render: Render) -> str:
    """Return the ``Idempotency-Key``: 64 hexadecimal characters, another one for each attempt."""
    namespace = ProjectState.objects.of(render.project).namespace
    text = f"{namespace}\n{render.project}\n{render.key_hash}\n{render.attempt}"
    return hashlib.sha256(text.encode()).hexdigest()


def _first_poll(render: Render) -> float:
    heard = ProjectState.objects.of(render.project).webhook_heard_at
    lately = heard is not None and database_now() - heard < WEBHOOKS_LATELY
    return FIRST_POLL_WITH_WEBHOOKS if lately else FIRST_POLL


def _poll(render: Render) -> Outcome:
    began = render.accepted_at or render.attempted_at
    delay = poll_delay((database_now() - began).total_seconds())
    try:
        answer = get_client(render.project, max_retries=0).renders.get(remote_id_of(render))
    except NotFound as error:
        if error.is_passing:
            raise
        # Another project's key answers like this too, so it ends nothing.
        return Again(max(delay, 60.0), error=str(error), heard=True)
    if answer.id != render.remote_id:
        return Failed(f"Craftkit answered about {answer.id}, asked for {render.remote_id}.")
    row = hear_one(render, Fact.of(answer), Change.Cause.POLL)
    return Done(heard=True) if row is None or row.is_final else Again(delay, heard=True)


def poll_delay(age: float) -> float:
    """Return the seconds to the next poll of a document that is ``age`` seconds old."""
    if age < 1:
        return 1.0
    if age < 3:
        return 2.0
    return min(max(5.0, age / 6), MAX_POLL)


@in_transaction
def hear_one(render: Render, fact: Fact, cause: Change.Cause) -> Render | None:
    """Join a fact that is known to be about this attempt; return the row, or ``None``."""
    rows = Render.objects.using(database()).defer("data")
    row: Render | None = lock_about(rows, render, fact.remote_id)
    if row is None:
        return None
    is_new = row.remote_id is None and fact.remote_id is not None
    hear([(row, [fact])], cause)
    if is_new:
        WebhookDelivery.objects.pull_forward(row.project, fact.remote_id)
    return row


def lock_known(
    keys: Iterable[tuple[str, uuid.UUID]],
) -> dict[tuple[str, uuid.UUID], Render]:
    """Lock the documents that these projects' ids stand for; those that there is a row for."""
    columns = ("project", "template", "attempt", "counts", *COLUMNS)
    return lock_by_remote_id(Render.objects.using(database()).only(*columns), keys)


def hear(found: Iterable[tuple[Render, Iterable[Fact]]], cause: Change.Cause) -> None:
    """Join facts to their documents, which are locked; inside a transaction."""
    changed, changes, ended = [], [], []
    columns = {"updated_at"}
    for row, facts in found:
        before, values = row.status, _values(row)
        for fact in facts:
            join(row, fact)
        different = {name for name, value in _values(row).items() if value != values[name]}
        if different:
            columns |= different
            row.updated_at = clock.now()
            changed.append(row)
        if row.status != before:
            changes.append(
                Change(
                    kind=KIND,
                    object_id=row.pk,
                    attempt=row.attempt,
                    from_status=before,
                    to_status=row.status,
                    cause=cause,
                    note=row.error,
                    signal=SIGNAL.get(Status(row.status), ""),
                )
            )
            if row.status in FINAL:
                ended.append(row)
            if row.status in (Status.FAILED, Status.REJECTED):
                logger.warning(
                    "Document %d (%s) of project %r is %s: %s",
                    row.pk,
                    row.template,
                    row.project,
                    row.status,
                    why(row),
                )
    update_many(changed, columns)
    Change.objects.record(changes)
    _after(ended)


def _values(row: Render) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def _after(ended: list[Render]) -> None:
    """What the end of a document sets going, and what it makes needless."""
    if not ended:
        return
    using = database()
    jobs = Job.objects.using(using).filter(kind=KIND, object_id__in=[row.pk for row in ended])
    jobs.delete()
    ready = [row.pk for row in ended if row.status == Status.SUCCEEDED]
    if ready and conf.options().ARCHIVE_RENDERS:
        Job.objects.wish_for("archive render", [row for row in ended if row.pk in ready])
    requests = SignatureRequest.objects.using(using).filter(
        render__in=[row.pk for row in ended], status=SignatureRequest.Status.PENDING
    )
    Job.objects.wish_for(SEND_SIGNATURE, requests.only("project"))
    shares = Share.objects.using(using).filter(render__in=ready, status=Share.Status.PENDING)
    waiting: dict[str, list[Share]] = {}
    for share in shares.only("project", "by_mail"):
        waiting.setdefault(share.kind, []).append(share)
    for kind, rows in waiting.items():
        Job.objects.wish_for(kind, rows)


def join(row: Render, fact: Fact) -> None:
    """Join one fact to its row: the same end in any order, with any repeats."""
    row.remote_id = row.remote_id or fact.remote_id
    row.accepted_at = earliest(row.accepted_at, fact.accepted_at)
    row.completed_at = earliest(row.completed_at, fact.completed_at)
    row.answer = join_answers(row.answer, fact.answer)
    try:
        status = Status(fact.status)
    except ValueError:
        row.answer = join_answers(row.answer, {"status": storable(fact.status)})
        return
    mine, theirs = RANK[Status(row.status)], RANK[status]
    if theirs > mine:
        row.status = status
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
    elif theirs == mine and (fact.error, fact.error_code) > (row.error, row.error_code):
        row.error, row.error_code = fact.error, fact.error_code
        row.field_errors = dict(fact.field_errors)
