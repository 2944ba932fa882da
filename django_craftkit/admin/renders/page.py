"""What the page of one document shows beside its fields, which are in ``admin``."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_craftkit import clock
from django_craftkit.admin.common import timeline
from django_craftkit.admin.common.buttons import Button
from django_craftkit.admin.common.format import (
    Context,
    age,
    exact,
    linked,
    name_of,
    recipient_of,
    side_by_side,
)
from django_craftkit.admin.common.results import can_be_shared
from django_craftkit.admin.common.sources import source_link
from django_craftkit.admin.common.truncate import LONG, short_name
from django_craftkit.admin.shares.page import (
    MOST_SHARES,
    actor,
    changed_share,
    share_row,
    share_steps,
    shares_of,
)
from django_craftkit.admin.signatures.page import (
    MOST_REQUESTS,
    names,
    request_row,
    request_steps,
    requests_of,
)
from django_craftkit.models import Change, EngagementEvent, Render
from django_craftkit.models.erased import NAMING
from django_craftkit.models.render_manager import OVERDUE, WITHDRAWN
from django_craftkit.models.superseding import CORRECTED, SUPERSEDED, SUPERSEDES
from django_craftkit.visibility import is_narrowed, visible
from django_craftkit.words import inside

from .chart import DAYS, KINDS, chart, legend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest
    from django.utils.functional import _StrOrPromise

    from django_craftkit.admin.common.base import AnyAdmin
    from django_craftkit.admin.shares.page import OpenedShare
    from django_craftkit.admin.signatures.page import Addressed
    from django_craftkit.models import Share, SignatureRequest

    class ShownRender(Render):
        """One as its page and its list have read it."""

        has_requests: bool
        successor_id: int | None
        is_late: bool
        open_links: int


#: Events that the page shows at most, the newest ones.
MOST_EVENTS = 10
#: What the links and the timeline tell already.
DONE_HERE = (
    EngagementEvent.Type.EMAIL_SENT,
    EngagementEvent.Type.SHARE_CREATED,
    EngagementEvent.Type.SHARE_REVOKED,
)


class Known(NamedTuple):
    """What a user may see of what became of a document."""

    shares: list[OpenedShare]
    requests: list[Addressed]
    events: list[EngagementEvent]
    sees_shares: bool
    sees_events: bool


def known_of(site: AnyAdmin, request: HttpRequest, render: ShownRender) -> Known:
    """Read the newest of it; of each kind one more than is shown."""
    sees_shares = site.allows(request, "view_share")
    sees_events = site.allows(request, "view_engagementevent")
    sees_requests = render.has_requests and site.allows(request, "view_signaturerequest")
    newest = EngagementEvent.objects.filter(render=render).exclude(type__in=DONE_HERE)
    newest = newest.order_by("-occurred_at", "-pk").defer("metadata")[:MOST_EVENTS]
    return Known(
        shares=shares_of(render) if sees_shares else [],
        requests=requests_of(render) if sees_requests else [],
        events=list(newest) if sees_events else [],
        sees_shares=sees_shares,
        sees_events=sees_events,
    )


def document_timeline(
    site: AnyAdmin, request: HttpRequest, render: ShownRender, known: Known
) -> Context:
    """Return the timeline of a document, as far as this user may see it."""
    shares, requests = known.shares[:MOST_SHARES], known.requests[:MOST_REQUESTS]
    firsts = {share.pk: share.first_opened for share in shares if share.first_opened}
    changes = changes_of(render, shares, requests)
    if not site.allows(request, "view_render") or is_narrowed(request):
        # Who may see this document alone is not told the key of another.
        for change in changes:
            if change.to_status in NAMING:
                change.note = ""
    seen = firsts if known.sees_events else None
    steps = document_steps(render, changes, shares, known.events, seen, requests)
    return timeline.context(site, request, render, changes, steps)


def document_context(site: AnyAdmin, request: HttpRequest, render: ShownRender) -> Context:
    """Return what the template needs, as far as this user may see it."""
    known = known_of(site, request, render)
    page = {
        "badges": render_badges(render, is_overdue=render.is_overdue),
        "source": source_link(site, render),
        "age": inside(age, render.requested_at),
        "erased_at": inside(exact, render.erased_at) if render.erased_at else "",
        "asked_by": name_of(render.requested_by),
        "batch": _batch_of(site, request, render),
        **site.error_of(render),
        **_related(site, request, render),
        "buttons": list(document_buttons(render, *site.of_row(request, render))),
        "sees_shares": known.sees_shares,
        "shares": [share_row(site, request, share) for share in known.shares[:MOST_SHARES]],
        "undecided": [
            {
                "whom": short_name(recipient_of(share)),
                "url": site.address("change", share.pk, model="share"),
            }
            for share in known.shares
            if share.is_unsettled
        ],
        "more_shares": len(known.shares) > MOST_SHARES,
        "shares_url": _of_document(site, "share", render),
        "revoke_url": site.address("revoke", model="share"),
        "requests": [request_row(site, row) for row in known.requests[:MOST_REQUESTS]],
        "more_requests": len(known.requests) > MOST_REQUESTS,
        "requests_url": _of_document(site, "signaturerequest", render),
        "timeline": document_timeline(site, request, render, known),
        "legend": legend(render.counts),
        "sees_events": known.sees_events,
        "is_read": any(render.counts.get(kind) for kind in KINDS) or bool(known.events),
    }
    if known.sees_events:
        today = clock.local(clock.now()).date()
        rows = EngagementEvent.objects.filter(render=render).per_day(today, DAYS)
        links = _by_remote_id(known.shares)
        page |= {
            "chart": chart(rows, today),
            "events": [
                {
                    "event": event,
                    "at": exact(event.occurred_at),
                    "what": event.get_type_display(),
                    "by": short_name(actor(event, links.get(event.share_remote_id))),
                    "browser": browser(event.user_agent),
                    "address": event.ip_address or "",
                }
                for event in known.events
            ],
            "events_url": _of_document(site, "engagementevent", render),
        }
    return page


def _related(site: AnyAdmin, request: HttpRequest, render: ShownRender) -> Context:
    """Return the document that it supersedes, and the one that supersedes it, as links."""
    pks = [pk for pk in (render.supersedes_id, render.successor_id) if pk is not None]
    found = Render.objects.defer(*LONG[Render]).in_bulk(pks)
    renders = Render.objects.filter(pk__in=pks)
    mine = visible(renders, request)
    known = set(pks) if mine is renders else set(mine.values_list("pk", flat=True))
    old, new = found.get(render.supersedes_id or 0), found.get(render.successor_id or 0)
    return {
        "supersedes": old and _link_to(site, request, old, known),
        "has_superseded": old is not None and old.superseded_at is not None,
        "superseded_by": new and _link_to(site, request, new, known),
    }


def _link_to(site: AnyAdmin, request: HttpRequest, render: Render, known: set[int]) -> str:
    if render.pk not in known or not site.allows(request, "view_render", render):
        return _("another document")
    return linked(site.address("change", render.pk), short_name(render.title))


def document_buttons(
    render: Render, may: Callable[[str], bool], url: Callable[[str], str]
) -> Iterator[Button]:
    """Yield the buttons that are permitted and make sense now.

    ``may`` and ``url`` are what ``of_row`` returns of the document.
    """
    is_ready = render.status == Render.Status.SUCCEEDED and render.remote_id is not None
    if is_ready and render.erased_at is None and may("download_render"):
        yield Button(_("Open PDF"), url("pdf"), tone="main")
    if can_be_shared(render):
        if may("add_share"):
            yield Button(_("Make a link"), url("share"))
        if may("email_render"):
            yield Button(_("Send by e-mail"), url("email"))
        if may("add_signaturerequest"):
            yield Button(_("Send for signature"), url("sign"))
    if render.is_retriable and may("retry_render"):
        yield Button(_("Try again"), url("retry"), is_post=True, tone="main")
    if (is_ready or not render.is_final) and may("view_render"):
        yield Button(_("Ask Craftkit for news"), url("refresh"), is_post=True)
    if render.withdrawn_at is None and may("withdraw_render"):
        yield Button(_("Withdraw"), url("withdraw"), tone="danger")


def _by_remote_id(shares: Iterable[Share]) -> dict[UUID | None, Share]:
    return {share.remote_id: share for share in shares if share.remote_id is not None}


#: Told by the first word that is found: each claims to be those below it.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser(user_agent: str) -> str:
    """Return what a browser is called, in two words where they are known."""
    name = next((name for word, name in _BROWSERS if word in user_agent), "")
    system = next((name for word, name in _SYSTEMS if word in user_agent), "")
    if name and system:
        return _("%(browser)s, %(system)s") % {"browser": name, "system": system}
    return name or system or user_agent.partition(" ")[0][:30]


def _of_document(site: AnyAdmin, model: str, render: Render) -> str:
    """Return the list of what belongs to this document; "" where this site has none."""
    url = site.address("changelist", model=model)
    return url and f"{url}?render__id__exact={render.pk}"


def _batch_of(site: AnyAdmin, request: HttpRequest, render: Render) -> str:
    """Return a link to the batch of a document; "" where it has none that the user may see."""
    batch = render.batch
    if batch is None or not site.allows(request, "view_batch", batch):
        return ""
    return linked(site.address("change", batch.pk, model="batch"), short_name(batch.title))


_TONES = {
    Render.Status.PENDING: "busy",
    Render.Status.QUEUED: "busy",
    Render.Status.RENDERING: "busy",
    Render.Status.SUCCEEDED: "good",
    Render.Status.FAILED: "bad",
    Render.Status.REJECTED: "bad",
}


def render_badges(render: Render, *, is_overdue: bool) -> str:
    tone = _TONES.get(render.status, "quiet")  # type: ignore[call-overload]
    badges = [(render.get_status_display(), tone)]
    if is_overdue:
        badges.append((_("overdue"), "warn"))
    if render.adopted_at is not None:
        badges.append((_("made elsewhere"), "quiet"))
    if render.erased_at is not None:
        badges.append((_("erased"), "quiet"))
    elif render.superseded_at is not None:
        badges.append((_("replaced"), "quiet"))
    elif render.withdrawn_at is not None:
        badges.append((_("withdrawn"), "quiet"))
    return side_by_side(badges)


_STEPS: dict[str, _StrOrPromise] = {
    Render.Status.PENDING: gettext_lazy("Tried again"),
    Render.Status.QUEUED: gettext_lazy("Accepted by Craftkit"),
    Render.Status.RENDERING: gettext_lazy("Being made"),
    Render.Status.SUCCEEDED: gettext_lazy("Ready"),
    Render.Status.FAILED: gettext_lazy("Failed"),
    Render.Status.CANCELLED: gettext_lazy("Cancelled"),
    Render.Status.REJECTED: gettext_lazy("Rejected"),
    WITHDRAWN: gettext_lazy("Withdrawn"),
    OVERDUE: gettext_lazy("Overdue"),
    CORRECTED: gettext_lazy("Correction requested"),
    SUPERSEDED: gettext_lazy("Replaced by another document"),
    SUPERSEDES: gettext_lazy("Replaced another document"),
    "archived": gettext_lazy("PDF archived"),
}


def changes_of(
    render: Render, shares: Iterable[Share], requests: Iterable[SignatureRequest] = ()
) -> Sequence[Change]:
    """Read the latest changes of a document and what was made of it, oldest first: one query."""
    others = Q(kind=Change.Kind.SHARE, object_id__in=[share.pk for share in shares])
    others |= Q(kind=Change.Kind.SIGNATURE, object_id__in=[request.pk for request in requests])
    return timeline.latest_changes(render, others)


def document_steps(
    render: Render,
    changes: Iterable[Change],
    shares: Sequence[Share],
    events: Iterable[EngagementEvent],
    first_opened: Mapping[int, datetime] | None = None,
    requests: Sequence[Addressed] = (),
) -> list[timeline.Step]:
    """Return all that is known of a document as steps, the newest last.

    ``first_opened`` tells when each link, by its primary key, was opened for the first time;
    ``requests`` are signature requests with their ``all_recipients``.
    """
    changes = list(changes)
    firsts = first_opened or {}
    here = _("an event of this site") if render.builder else _("this site")
    who = name_of(render.requested_by) or here
    steps = [timeline.Step(render.requested_at, _("Requested"), who=who)]
    links = {share.pk: share for share in shares}
    for change in changes:
        if change.kind == Change.Kind.RENDER:
            steps.append(timeline.step_of(change, timeline.attempt_of(change, _STEPS)))
        elif change.kind == Change.Kind.SHARE and change.object_id in links:
            steps += changed_share(change, links[change.object_id])
    for share in shares:
        steps += share_steps(share, firsts.get(share.pk))
    for request in requests:
        # Of several, each step says which one it is of.
        which = names(request.all_recipients) if len(requests) > 1 else ""
        steps += request_steps(request, changes, which)
    noted = {(change.kind, change.attempt, change.to_status) for change in changes}
    is_noted = (Change.Kind.RENDER, render.attempt, WITHDRAWN) in noted
    if render.withdrawn_at is not None and not is_noted:
        # An earlier version has written no change of it.
        who = name_of(render.withdrawn_by)
        steps.append(timeline.Step(render.withdrawn_at, _("Withdrawn"), who=who, tone="warn"))
    opened = _by_remote_id(shares)
    for event in events:
        link = opened.get(event.share_remote_id)
        if link is None or firsts.get(link.pk) != event.occurred_at:
            what, who = capfirst(event.get_type_display()), actor(event, link)
            steps.append(timeline.Step(event.occurred_at, what, who=who, tone="read"))
    return sorted(steps, key=attrgetter("at"))
