"""Engagement: this site tells Craftkit its own, and reads everybody's, from webhooks and by GET.

An event is known by Craftkit's id, so both ways end in the same rows. A count is the greater of
what Craftkit says and what is stored: it names the newest 25 events only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit import clock
from django_craftkit.client import InvalidRequest, NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import database, in_transaction, lock, sanitized, update_many
from django_craftkit.log import about, get_logger
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share
from django_craftkit.models.erased import blank
from django_craftkit.models.problems import Problem
from django_craftkit.privacy import kept_address, kept_user_agent
from django_craftkit.projects import get_client
from django_craftkit.signals import engagement_recorded

from .answers import UNREADABLE_KEY, warn_of_unreadable
from .moments import from_utc
from .renders.states import remote_id_of
from .results import PARKED, Done, Reschedule, Result, look_delay
from .shares import adopt
from .shares.states import LOOK_AGAIN
from .states import MAX_COUNT

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence, Set

    from django_craftkit import client
    from django_craftkit.models.claims import Lease

logger = get_logger(__name__)

#: Seconds between two looks at a document that Craftkit does not know, at most.
DAY = 86_400.0
#: Fields of an event that are about who opened a document.
PRIVATE = ("sourceIp", "userAgent")
#: What an event's row keeps of them, and of what was told with it.
PERSONAL = ("ip_address", "user_agent", "metadata")


def step(job: Job) -> Result:
    """Tell what this site has seen of a document, then read its links and its events."""
    render = Render.objects.writer().defer("data").filter(pk=job.object_id).first()
    if render is None or render.remote_id is None:
        return Done()
    craftkit = get_client(render.project, max_retries=0)
    try:
        _tell(render, craftkit)
        listed = craftkit.shares.list(render.remote_id)
        read = craftkit.engagement.read(render.remote_id)
        is_settled = adopt.apply_listed(render, listed, read)
        apply_read(render, read)
    except NotFound as error:
        if error.is_passing:
            raise
        # Ever less often: it may have been deleted there, and nobody here can know.
        return Reschedule(_delay(job, PARKED), Problem.of(error), answered=True)
    is_odd = warn_of_unreadable("shares", render.project, listed)
    is_odd |= warn_of_unreadable("recent", render.project, read)
    if is_settled:
        return Done(answered=True)
    # A call that is under way is soon over; what can't be read may stay so.
    return Reschedule(_delay(job, LOOK_AGAIN) if is_odd else LOOK_AGAIN, answered=True)


def _delay(job: Job, least: float) -> float:
    """Return the seconds to the next look at a document, ever more of them."""
    age = (database_now() - job.created_at).total_seconds()
    return look_delay(age, least, DAY)


def _tell(render: Render, craftkit: client.Craftkit) -> None:
    """Tell Craftkit what this site has seen. What is told twice, its window of 5 minutes drops."""
    untold = EngagementEvent.objects.writer().to_be_told().filter(render=render)
    if render.erased_at is not None:
        untold.delete()
        return
    for event in untold:
        try:
            craftkit.engagement.track(remote_id_of(render), event.type, metadata=event.metadata)
        except InvalidRequest as error:
            if error.is_passing:
                raise
            logger.warning(
                "Craftkit does not take an event of document %s: %s",
                render.pk,
                error,
                extra=about(render),
            )
        # Craftkit's own event takes its place: it has an id.
        event.delete(using=database())


@in_transaction
def apply_read(render: Render, read: client.Engagement) -> None:
    """Apply what Craftkit says of a document: its counts, and its newest events."""
    rows = lock(Render.objects.writer()).only("project", "counts", "erased_at")
    row = rows.filter(pk=render.pk, remote_id=render.remote_id).first()
    if row is not None:
        apply([(row, read.recent)], Change.Cause.POLL, read.counts)


def apply(
    found: Sequence[tuple[Render, Iterable[client.EngagementEvent]]],
    cause: Change.Cause,
    counts: Mapping[str, int] | None = None,
    lease: Lease | None = None,
) -> set[tuple[str, uuid.UUID]]:
    """Apply events to their documents, which are locked; inside a transaction.

    ``counts`` are what Craftkit says of each of them. Returns the links among what the events are
    about that were erased: by their project and Craftkit's id.
    """
    events = {
        (render.project, event.id): (render, event) for render, said in found for event in said
    }
    erased = _erased_links(
        {event.share_id for render, event in events.values() if render.erased_at is None}
    )
    known = EngagementEvent.objects.writer().filter(event_id__in=[pk for _, pk in events])
    for key in known.values_list("project", "event_id"):
        events.pop(key, None)
    rows = [_row(render, event) for render, event in events.values()]
    for row in rows:
        is_of_erased = (row.project, row.share_remote_id) in erased
        if row.render.erased_at is not None or is_of_erased:
            blank(row, PERSONAL)
    new = EngagementEvent.objects.writer().bulk_create(rows)
    renders = {render.pk: render for render, _said in found}
    _count(renders, counts or {}, new)
    if new and engagement_recorded.receivers_of(EngagementEvent):
        _announce(new, cause, lease)
    adopt.apply_events(renders, new, cause)
    return erased


def _row(render: Render, event: client.EngagementEvent) -> EngagementEvent:
    return EngagementEvent(
        project=render.project,
        event_id=event.id,
        render=render,
        share_remote_id=event.share_id,
        type=sanitized(event.event_type)[:32],
        actor=sanitized(event.actor)[:32],
        ip_address=kept_address(event.source_ip),
        user_agent=kept_user_agent(event.user_agent),
        metadata=_metadata(event),
        occurred_at=from_utc(event.created_at) or clock.now(),
    )


def _erased_links(ids: Set[uuid.UUID | None]) -> set[tuple[str, Any]]:
    """Return which of these links of Craftkit's were erased here, with their projects."""
    links = ids - {None}
    if not links:
        return set()
    rows = Share.objects.writer().filter(remote_id__in=links, erased_at__isnull=False)
    return set(rows.values_list("project", "remote_id"))


def _metadata(event: client.EngagementEvent) -> dict[str, Any] | None:
    """Return what an event's row keeps beside its columns, but for whose privacy it is."""
    odd = {name: value for name, value in event.unreadable.items() if name not in PRIVATE}
    if event.metadata is None and not odd:
        return None
    more: dict[str, Any] = {UNREADABLE_KEY: odd} if odd else {}
    return dict(sanitized({**(event.metadata or {}), **more}))


def _count(
    renders: Mapping[int, Render], said: Mapping[str, int], new: Iterable[EngagementEvent]
) -> None:
    fresh = {event.render_id for event in new}
    stored = EngagementEvent.objects.writer().filter(render__in=fresh).counted()
    changed = []
    for pk, render in renders.items():
        counts = dict(render.counts)
        for kind, number in (*said.items(), *stored.get(pk, {}).items()):
            name = sanitized(kind)
            counts[name] = min(max(counts.get(name, 0), number), MAX_COUNT)
        if counts != render.counts:
            render.counts = counts
            changed.append(render)
    update_many(changed, ["counts"])


def _announce(new: Sequence[EngagementEvent], cause: Change.Cause, lease: Lease | None) -> None:
    pks = {event.event_id: event.pk for event in new}
    if None in pks.values():  # MySQL does not return them
        rows = EngagementEvent.objects.writer().filter(event_id__in=list(pks))
        pks = dict(rows.values_list("event_id", "pk"))
    changes = [
        Change(
            kind=Change.Kind.ENGAGEMENT,
            object_id=pks[event.event_id],
            to_status=event.type[:16],
            cause=cause,
            signal=engagement_recorded.name,
        )
        for event in new
    ]
    Change.objects.record(changes, lease)
