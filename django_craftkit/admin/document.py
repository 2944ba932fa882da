"""What the page of one document shows, laid out for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from django_craftkit import clock
from django_craftkit.models import EngagementEvent, Render, Share
from django_craftkit.words import inside

from .base import age, age_by, exact, may_see_source, name_of, on_day, outward, source_link
from .buttons import as_chosen
from .envelope import request_row
from .handing import can_be_handed_out
from .outcomes import what_went_wrong
from .people import MOST_REQUESTS, requests_of
from .picture import DAYS, KINDS, legend, picture
from .states import Act, can_be_revoked, channel_of, render_badges, share_badges, whom
from .texts import LONG, LONGEST_NAME, start
from .timeline import actor, changes_of, timeline, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from .handing import Handing

#: Links and events that the page shows at most, the newest ones.
MOST_SHARES, MOST_EVENTS = 50, 10
#: What the links and the timeline tell already.
DONE_HERE = (
    EngagementEvent.Type.EMAIL_SENT,
    EngagementEvent.Type.SHARE_CREATED,
    EngagementEvent.Type.SHARE_REVOKED,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a person may see of what became of a document."""

    shares: list[Any]
    requests: list[Any]
    events: list[EngagementEvent]
    sees_shares: bool
    sees_events: bool


def known_of(site: Handing, request: HttpRequest, render: Any) -> Known:
    """Read the newest of it; of each kind one more than is shown."""
    sees_shares = site.allows(request, "view_share")
    sees_events = site.allows(request, "view_engagementevent")
    sees_requests = render.has_requests and site.allows(request, "view_signaturerequest")
    newest = EngagementEvent.objects.filter(render=render).exclude(type__in=DONE_HERE)
    newest = newest.order_by("-occurred_at", "-pk").defer("metadata")[:MOST_EVENTS]
    return Known(
        shares=_shares_of(render) if sees_shares else [],
        requests=requests_of(render) if sees_requests else [],
        events=list(newest) if sees_events else [],
        sees_shares=sees_shares,
        sees_events=sees_events,
    )


def way_of_document(
    site: Handing, request: HttpRequest, render: Any, known: Known
) -> dict[str, Any]:
    """Return the timeline of a document, as far as this person may see it."""
    shares, envelopes = known.shares[:MOST_SHARES], known.requests[:MOST_REQUESTS]
    firsts = {share.pk: share.first_opened for share in shares if share.first_opened}
    changes = changes_of(render, shares, envelopes)
    seen = firsts if known.sees_events else None
    steps = timeline(render, changes, shares, known.events, seen, envelopes)
    return told(site, request, render, changes, steps)


def document_page(site: Handing, request: HttpRequest, render: Any) -> dict[str, Any]:
    """Return what the template needs, as far as this person may see it."""
    known = known_of(site, request, render)
    page = {
        "badges": render_badges(render, is_overdue=render.is_overdue),
        "about": source_link(render, site.admin_site.name, may_see=may_see_source(request, render)),
        "age": inside(age, render.requested_at),
        "asked_by": name_of(render.requested_by),
        **what_went_wrong(site, render),
        "acts": list(_acts(site, request, render)),
        "sees_shares": known.sees_shares,
        "shares": [_share_row(site, request, share) for share in known.shares[:MOST_SHARES]],
        "undecided": [
            {
                "whom": start(whom(share), LONGEST_NAME),
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
        **way_of_document(site, request, render, known),
        "legend": legend(render.counts),
        "sees_events": known.sees_events,
        "is_read": any(render.counts.get(kind) for kind in KINDS) or bool(known.events),
    }
    if known.sees_events:
        today = clock.local(clock.now()).date()
        rows = EngagementEvent.objects.filter(render=render).per_day(today, DAYS)
        links = {share.remote_id: share for share in known.shares if share.remote_id is not None}
        page |= {
            "picture": picture(rows, today),
            "events": [_event_row(event, links) for event in known.events],
            "events_url": _of_document(site, "engagementevent", render),
        }
    return page


def _shares_of(render: Render) -> list[Any]:
    """Read the newest links, each with the moment it was opened for the first time."""
    opened = EngagementEvent.objects.filter(
        share_remote_id=OuterRef("remote_id"), type=EngagementEvent.Type.VIEWED
    )
    first = opened.order_by("occurred_at")[:1]
    shares = Share.objects.filter(render=render).order_by("-requested_at", "-pk")
    shares = shares.annotate(first_opened=Subquery(first.values("occurred_at")))
    people = shares.select_related("requested_by", "revoke_requested_by")
    return list(people.defer(*LONG[Share])[: MOST_SHARES + 1])


def _acts(site: Handing, request: HttpRequest, render: Render) -> Iterator[Act]:
    """Yield the buttons that are permitted and make sense now."""

    def may(codename: str) -> bool:
        return site.allows(request, codename, render)

    def url(page: str) -> str:
        return site.address(page, render.pk)

    is_ready = render.status == Render.Status.SUCCEEDED and render.remote_id is not None
    if is_ready and may("download_render"):
        yield Act(_("Open PDF"), url("pdf"), tone="main")
    if can_be_handed_out(render):
        if may("add_share"):
            yield Act(_("Make a link"), url("share"))
        if may("email_render"):
            yield Act(_("Send by e-mail"), url("email"))
        if may("add_signaturerequest"):
            yield Act(_("Send for signature"), url("sign"))
    if render.is_retriable and may("retry_render"):
        yield Act(_("Try again"), url("retry"), is_post=True, tone="main")
    if (is_ready or not render.is_final) and may("view_render"):
        yield Act(_("Ask Craftkit for news"), url("refresh"), is_post=True)
    if render.withdrawn_at is None and may("withdraw_render"):
        yield Act(_("Withdraw"), url("withdraw"), tone="danger")


def _share_row(site: Handing, request: HttpRequest, share: Any) -> dict[str, Any]:
    sees_link = share.is_open and site.allows(request, "see_share_link", share)
    may_revoke = (
        can_be_revoked(share)
        and site.allows(request, "revoke_share", share)
        and bool(site.address("revoke", model="share"))
    )
    return {
        "share": share,
        "ids": as_chosen([share]),
        "url": site.address("change", share.pk, model="share"),
        "whom": start(whom(share), LONGEST_NAME),
        "channel": channel_of(share),
        "badges": share_badges(share),
        "made": age_by(share.requested_at, share.requested_by),
        "expires": share.expires_at and on_day(share.expires_at),
        "link": outward(share.url, _("Open link")) if sees_link else "",
        "may_revoke": may_revoke,
    }


def _event_row(event: EngagementEvent, links: dict[Any, Any]) -> dict[str, Any]:
    share = links.get(event.share_remote_id)
    return {
        "event": event,
        "at": exact(event.occurred_at),
        "what": event.get_type_display(),
        "by": start(actor(event, share), LONGEST_NAME),
        "browser": browser(event.user_agent),
        "address": event.ip_address or "",
    }


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


def _of_document(site: Handing, model: str, render: Render) -> str:
    """Return the list of what belongs to this document; "" where this site has none."""
    url = site.address("changelist", model=model)
    return url and f"{url}?render__id__exact={render.pk}"
