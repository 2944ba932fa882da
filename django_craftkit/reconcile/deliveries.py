"""Webhooks: parsed and applied in batches. What cannot be used is kept and shown."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from django.db.models import Q

from django_craftkit import client, conf, dispatch, untrusted
from django_craftkit.client import InvalidResponse
from django_craftkit.database import (
    MAX_DEPTH,
    database,
    in_transaction,
    is_too_deep,
    sanitized,
)
from django_craftkit.failures import is_outage
from django_craftkit.log import about, get_logger
from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem, StepError
from django_craftkit.privacy import FORM_SUBMITTED

from . import engagement, forms
from .due import slice_of
from .renders import states as renders
from .results import retry_delay
from .signatures import states as signatures
from .updates import lock_by_remote_id

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping

    from django_craftkit.models import Render
    from django_craftkit.models.claims import Lease, LeasedQuerySet, Watermark

    from .states import RemoteState

logger = get_logger(__name__)

Key: TypeAlias = "tuple[str, uuid.UUID]"
Status = WebhookDelivery.Status

BATCH = 500
#: After so many tries a delivery is processed alone.
SUSPECT = 3
#: After so many tries a delivery that fails is left to staff.
MAX_ATTEMPTS = 8
#: Between two notes of when the last webhook came.
HEARD_EVERY = timedelta(minutes=1)


class DeliveryResult(NamedTuple):
    """What is to be noted of a delivery."""

    status: Status
    event: str = ""
    about: uuid.UUID | None = None
    problem: Problem = NO_PROBLEM
    due_at: datetime | None = None
    #: Craftkit's id of the link that it is about, too; not noted.
    link: uuid.UUID | None = None


class Named(NamedTuple):
    """What a body is about, by Craftkit's ids."""

    about: uuid.UUID
    link: uuid.UUID | None = None


class Unusable(StepError):
    """A signed body that isn't what the contract says."""


def process(now: datetime, since: Watermark | None = None, lease: Lease | None = None) -> int:
    """Process a batch of due deliveries; return how many.

    ``since`` is where earlier batches have come to. Who goes on to announce what they tell has a
    ``lease``.
    """
    inbox = WebhookDelivery.objects.filter(lease_token=None, attempts__lt=SUSPECT)
    # Moments take longer to read than all the rest, and nothing here looks at them.
    inbox = inbox.defer("due_at", "received_at", "processed_at", "body_hash")
    return _process(inbox, BATCH, now, since, lease)


def is_any_suspect(now: datetime, since: Watermark | None = None) -> bool:
    """Whether a delivery is due that is to be processed alone."""
    return bool(_suspects().find(1, now=now, since=since))


def process_suspect(now: datetime) -> int:
    """Process a due delivery that a worker may have ended with; return how many."""
    return _process(_suspects(), 1, now, None, None)


def _suspects() -> LeasedQuerySet:
    """Return what has ended a worker, which leaves its token behind, or may break batches."""
    may_break = Q(lease_token__isnull=False) | Q(attempts__gte=SUSPECT)
    return WebhookDelivery.objects.writer().filter(may_break)


def _process(
    inbox: LeasedQuerySet, most: int, now: datetime, since: Watermark | None, lease: Lease | None
) -> int:
    batch: list[WebhookDelivery] = inbox.claim(most, now=now, lease=conf.lease(), since=since)
    if not batch:
        return 0
    try:
        _apply(batch, now, lease)
    except Exception:
        # One of them breaks the batch: alone, each shows whether it is the one.
        logger.exception("A batch of %d webhooks is taken apart.", len(batch))
        if lease is not None:
            lease.clear()
        for delivery in batch:
            try:
                _apply([delivery], now)
            except Exception as error:
                logger.exception(
                    "The webhook %s could not be applied.",
                    delivery.delivery_id,
                    extra=about(delivery),
                )
                _note_failure(delivery, error, now)
    for project in {delivery.project for delivery in batch}:
        state = ProjectState.objects.of(project)
        if state.webhook_heard_at is None or now - state.webhook_heard_at > HEARD_EVERY:
            ProjectState.objects.writer().filter(pk=state.pk).update(webhook_heard_at=now)
    return len(batch)


def take_up(part: int) -> int:
    """Have webhooks processed that no earlier version could read; return how many, for a start.

    A worker that is older than this one ignores them once more, until it is replaced. They are
    among all that are ignored, and no index finds them: ``part`` is the slice to look at, beside
    the newest.
    """
    unread = slice_of(WebhookDelivery.objects.writer(), part).filter(
        status=Status.IGNORED, about=None, event__in=_READERS
    )
    pks = list(unread.exclude(body=b"").order_by("pk").values_list("pk", flat=True)[:BATCH])
    number = WebhookDelivery.objects.replay(pks) if pks else 0
    if number:
        logger.info("Processed now: %d webhooks that no earlier version could read.", number)
    return number


@in_transaction
def _note_failure(delivery: WebhookDelivery, error: Exception, now: datetime) -> None:
    leased = WebhookDelivery.objects.lock_leased([delivery])
    if leased and is_outage(error):
        # Its own turn, if it can be that it brings the outage about, and never abandoned for it.
        rows = WebhookDelivery.objects.writer().filter(pk=delivery.pk)
        rows.update(attempts=min(delivery.attempts, SUSPECT))
    _note({delivery.pk: _failure(delivery, error, now)}, leased, now)


@in_transaction
def _apply(batch: list[WebhookDelivery], now: datetime, lease: Lease | None = None) -> None:
    if lease is not None:
        # A transaction that is retried writes its changes anew.
        lease.clear()
    batch = WebhookDelivery.objects.lock_leased(batch)
    results: dict[int, DeliveryResult] = {}
    contents = Contents()
    for delivery in batch:
        try:
            results[delivery.pk] = _read(delivery, contents)
        except Unusable as error:
            results[delivery.pk] = _failure(delivery, error, now)
    known = contents.apply(lease)
    adopted: list[WebhookDelivery] = []
    for delivery in batch:
        result = results[delivery.pk]
        if result.about is None or (delivery.project, result.about) in known:
            continue
        if delivery.attempts > 1 and delivery.about is not None:
            is_adopted = (
                conf.options().ADOPT and (delivery.project, result.about) in contents.of_documents
            )
            code = ErrorCode.TO_BE_ADOPTED if is_adopted else ErrorCode.UNKNOWN_OBJECT
            result = result._replace(status=Status.IGNORED, problem=Problem(code))
            if is_adopted:
                adopted.append(delivery)
        else:
            # The answer that tells us this id may be on its way.
            result = result._replace(status=Status.RECEIVED, due_at=now + conf.lease())
        results[delivery.pk] = result
    _note(results, batch, now)
    if contents.erased:
        _drop_bodies(results, batch, contents.erased)
    renders.DocumentStates.close(contents.applied)
    if adopted:
        # Last, as workers may wait for each other here.
        Job.objects.schedule_for(Job.Kind.ADOPT, adopted)
        dispatch.wake_on_commit(database())


def _drop_bodies(
    results: Mapping[int, DeliveryResult], batch: list[WebhookDelivery], erased: set[Key]
) -> None:
    """Drop the bodies of what was applied to rows that must hold nothing of it."""
    pks = []
    for delivery in batch:
        result = results[delivery.pk]
        named = {(delivery.project, one) for one in (result.about, result.link) if one is not None}
        if result.status == Status.PROCESSED and not named.isdisjoint(erased):
            pks.append(delivery.pk)
    WebhookDelivery.objects.writer().filter(pk__in=pks).update(body=b"")


class Contents:
    """What a batch says, by family and document, until it is applied in one go."""

    def __init__(self) -> None:
        self.renders: defaultdict[Key, list[RemoteState]] = defaultdict(list)
        self.events: defaultdict[Key, list[client.EngagementEvent]] = defaultdict(list)
        self.notices: defaultdict[Key, list[RemoteState]] = defaultdict(list)
        self.forms: list[tuple[WebhookDelivery, client.FormSubmission]] = []
        #: Documents, links and signature requests whose rows were erased.
        self.erased: set[Key] = set()
        #: What was applied, and is still to be closed.
        self.applied: list[renders.DocumentStates] = []

    def read_render(self, delivery: WebhookDelivery, payload: Mapping[str, Any]) -> Named:
        render = client.Render.from_webhook(payload)
        self.renders[delivery.project, render.id].append(renders.state_of(render))
        return Named(render.id)

    def read_event(self, delivery: WebhookDelivery, payload: Mapping[str, Any]) -> Named:
        event = client.EngagementEvent.from_webhook(payload)
        if event.render_id is None:
            raise Unusable(ErrorCode.EVENT_WITHOUT_DOCUMENT)
        self.events[delivery.project, event.render_id].append(event)
        return Named(event.render_id, event.share_id)

    def read_notice(self, delivery: WebhookDelivery, payload: Mapping[str, Any]) -> Named:
        notice = client.SignatureNotice.from_webhook(payload)
        state = signatures.state_of_notice(notice)
        self.notices[delivery.project, notice.id].append(state)
        return Named(notice.id)

    def read_form(self, delivery: WebhookDelivery, payload: Mapping[str, Any]) -> Named:
        submitted = client.FormSubmission.from_webhook(payload)
        self.forms.append((delivery, submitted))
        return Named(submitted.session_id)

    @property
    def of_documents(self) -> set[Key]:
        """The documents that it says something of."""
        return self.renders.keys() | self.events.keys()

    def apply(self, lease: Lease | None) -> set[Key]:
        """Apply all of it; return what there is a row for. ``applied`` is closed by the caller."""
        known: set[Key] = set()
        rows: dict[Key, Render] = {}
        # Those that forms name with the others: whoever locks two of them does so in one order.
        if named := self.of_documents | forms.renders_of(self.forms):
            rows = renders.lock_known(named)
            rows |= forms.taken_in(self.forms, rows)
            known.update(rows)
            self._note_erased(rows)
            cause = Change.Cause.WEBHOOK
            if found := [(rows[key], said) for key, said in self.renders.items() if key in rows]:
                self.applied.append(renders.DocumentStates(cause, lease=lease))
                self.applied[-1].apply(found)
            if seen := [(rows[key], events) for key, events in self.events.items() if key in rows]:
                self.erased |= engagement.apply(seen, cause, lease=lease)
        if self.notices:
            requests = lock_by_remote_id(SignatureRequest.objects.writer(), self.notices)
            known.update(requests)
            self._note_erased(requests)
            notices = [(row, self.notices[key]) for key, row in requests.items()]
            signatures.apply_notices(notices, lease)
        if self.forms:
            # Each is its own row, whether its session is known here or not.
            known.update((delivery.project, said.session_id) for delivery, said in self.forms)
            self.erased |= forms.apply(self.forms, rows, lease)
        return known

    def _note_erased(self, rows: Mapping[Key, Any]) -> None:
        self.erased.update(key for key, row in rows.items() if row.erased_at is not None)


_READERS: dict[str, Callable[[Contents, WebhookDelivery, Mapping[str, Any]], Named]] = {
    "render.succeeded": Contents.read_render,
    "render.failed": Contents.read_render,
    **{f"document.{kind}": Contents.read_event for kind in EngagementEvent.Type},
    **dict.fromkeys(signatures.EVENTS, Contents.read_notice),
    FORM_SUBMITTED: Contents.read_form,
}


def _read(delivery: WebhookDelivery, contents: Contents) -> DeliveryResult:
    if delivery.attempts > MAX_ATTEMPTS:
        raise Unusable(ErrorCode.WORKERS_ENDED, delivery.attempts - 1)
    try:
        payload = untrusted.loads(bytes(delivery.body))
    except ValueError as error:
        raise Unusable(ErrorCode.BODY_NO_JSON, error) from error
    if is_too_deep(payload):
        raise Unusable(ErrorCode.BODY_TOO_DEEP, MAX_DEPTH)
    if not isinstance(payload, dict) or not isinstance(payload.get("event"), str):
        raise Unusable(ErrorCode.BODY_WITHOUT_EVENT)
    event = sanitized(payload["event"])[:64]
    reader = _READERS.get(event)
    if reader is None:
        return DeliveryResult(Status.IGNORED, event=event)
    try:
        named = reader(contents, delivery, payload)
    except InvalidResponse as error:
        raise Unusable(ErrorCode.BODY_UNREADABLE, error) from error
    return DeliveryResult(Status.PROCESSED, event=event, about=named.about, link=named.link)


def _failure(delivery: WebhookDelivery, error: Exception, now: datetime) -> DeliveryResult:
    problem = Problem.of(error)
    if delivery.attempts >= MAX_ATTEMPTS and not is_outage(error):
        return DeliveryResult(Status.ABANDONED, event=delivery.event, problem=problem)
    due_at = now + timedelta(seconds=30 * retry_delay(delivery.attempts))
    return DeliveryResult(Status.FAILED, event=delivery.event, problem=problem, due_at=due_at)


def _note(results: dict[int, DeliveryResult], batch: list[WebhookDelivery], now: datetime) -> None:
    """Write how locked deliveries ended."""
    # On copies: a batch whose transaction is retried must still have its lease.
    ended = []
    for delivery in batch:
        result = results[delivery.pk]
        is_final = result.status not in (Status.RECEIVED, Status.FAILED)
        if result.status == Status.ABANDONED:
            logger.error(
                "The webhook %s of project %r is abandoned after %d tries.",
                delivery.delivery_id,
                delivery.project,
                delivery.attempts,
                extra=about(delivery),
            )
        values = result._asdict() | result.problem.columns
        del values["problem"], values["link"]
        ended.append(delivery.ended(**values, processed_at=now if is_final else None))
    WebhookDelivery.objects.release(ended)
