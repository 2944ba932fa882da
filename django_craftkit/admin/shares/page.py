"""How pages show links: their badges, their rows in tables, their timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_craftkit.admin.common import timeline
from django_craftkit.admin.common.base import first_seen
from django_craftkit.admin.common.buttons import as_chosen
from django_craftkit.admin.common.format import (
    Context,
    age_by,
    name_of,
    on_day,
    outward,
    recipient_of,
    side_by_side,
)
from django_craftkit.admin.common.truncate import LONG, long_of, short_name
from django_craftkit.models import Change, EngagementEvent, Render, Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from django.http import HttpRequest

    from django_craftkit.admin.common.base import AnyAdmin

    class OpenedShare(Share):
        first_opened: datetime | None


#: Links that the page of a document shows at most, the newest ones.
MOST_SHARES = 50


def share_badges(share: Share) -> str:
    badges = [_state(share)]
    if share.is_found:
        badges.append((_("found"), "quiet"))
    if share.erased_at is not None:
        badges.append((_("erased"), "quiet"))
    return side_by_side(badges)


def _state(share: Share) -> tuple[str, str]:
    """Return the one word that tells most of a link, and its tone."""
    if share.status == Share.Status.REVOKED:
        return _("revoked"), "quiet"
    if share.status == Share.Status.REJECTED:
        return _("rejected"), "bad"
    if share.is_unsettled:
        return _("needs a decision"), "warn"
    if share.revoke_requested_at is not None:
        return _("being revoked"), "warn"
    if share.status == Share.Status.UNKNOWN:
        return _("being settled"), "warn"
    if share.status == Share.Status.ACTIVE:
        return (_("expired"), "quiet") if share.is_expired else (_("open"), "good")
    return share.get_status_display(), "busy"


def can_be_revoked(share: Share) -> bool:
    """Whether a button is worth its while: what has expired, Craftkit has closed by itself."""
    return share.is_revocable and not (share.status == Share.Status.ACTIVE and share.is_expired)


def channel_of(share: Share) -> str:
    """Return how a link reaches whom it is for."""
    return _("e-mail by Craftkit") if share.by_mail else _("link")


def shares_of(render: Render) -> list[OpenedShare]:
    """Read the newest links, each with the moment it was opened for the first time."""
    opened = EngagementEvent.objects.filter(
        share_remote_id=OuterRef("remote_id"), type=EngagementEvent.Type.VIEWED
    )
    first = opened.order_by("occurred_at")[:1]
    shares = Share.objects.filter(render=render).order_by("-requested_at", "-pk")
    shares = shares.annotate(first_opened=Subquery(first.values("occurred_at")))
    people = shares.select_related("requested_by", "revoke_requested_by")
    return list(people.defer(*LONG[Share])[: MOST_SHARES + 1])


def share_row(site: AnyAdmin, request: HttpRequest, share: Share) -> Context:
    """Return what the page of a document says of a link to it."""
    sees_link = share.is_open and site.allows(request, "see_share_link", share)
    may_revoke = can_be_revoked(share) and site.allows(request, "revoke_share", share)
    return {
        "share": share,
        "ids": as_chosen([share]),
        "url": site.address("change", share.pk, model="share"),
        "whom": short_name(recipient_of(share)),
        "channel": channel_of(share),
        "badges": share_badges(share),
        "made": age_by(share.requested_at, share.requested_by),
        "expires": share.expires_at and on_day(share.expires_at),
        "link": outward(share.url, _("Open link")) if sees_link else "",
        "may_revoke": may_revoke and bool(site.address("revoke", model="share")),
    }


def share_rows(site: AnyAdmin, request: HttpRequest, shares: Sequence[Share]) -> list[Context]:
    """Return what a confirmation lists of links, the first ones, if they may be seen."""
    return [
        {
            "share": share,
            "document": short_name(share.render.title),
            "whom": short_name(recipient_of(share)),
            "badges": share_badges(share),
        }
        for share in first_seen(site, request, shares)
    ]


def revocable(renders: Iterable[Render]) -> list[Share]:
    """Return the links that a withdrawal ends."""
    shares = Share.objects.writer().filter(render__in=[render.pk for render in renders])
    shares = shares.revocable().select_related("render").order_by("render", "pk")
    return list(shares.defer(*LONG[Share], *long_of(Render, "render")))


_LINK = {
    Share.Status.PENDING: gettext_lazy("Link to be made once more"),
    Share.Status.UNKNOWN: gettext_lazy("Link without an answer, being settled"),
    Share.Status.REJECTED: gettext_lazy("Link refused"),
    Share.Status.ACTIVE: gettext_lazy("Link made"),
    Share.Status.REVOKED: gettext_lazy("Link revoked"),
}
_MAIL = {
    Share.Status.PENDING: gettext_lazy("E-mail to be sent once more"),
    Share.Status.UNKNOWN: gettext_lazy("E-mail without an answer, being settled"),
    Share.Status.REJECTED: gettext_lazy("E-mail refused"),
    Share.Status.ACTIVE: gettext_lazy("E-mail said to have been sent"),
    Share.Status.REVOKED: gettext_lazy("Link of the e-mail revoked"),
}


def changed_share(change: Change, share: Share) -> Iterator[timeline.Step]:
    """Yield the step that a change of a link is, if it is worth one."""
    if what := _what(change, share):
        yield timeline.step_of(change, what, _named(share))


def _what(change: Change, share: Share) -> str:
    is_sent = change.to_status == Share.Status.ACTIVE
    if is_sent and share.is_found:
        return _("Link found")
    if is_sent and share.mailed_at is not None and change.cause != Change.Cause.ASKED:
        # The moment it was mailed tells more, unless there was a doubt.
        return _("Settled: it was sent") if change.from_status == Share.Status.UNKNOWN else ""
    if change.to_status == Share.Status.REVOKED and share.remote_id is None:
        return _("Taken back before it was sent") if share.by_mail else _("Link taken back")
    labels = _MAIL if share.by_mail else _LINK
    return str(labels.get(change.to_status, change.to_status))  # type: ignore[call-overload]


def share_steps(share: Share, first_opened: datetime | None) -> Iterator[timeline.Step]:
    """Yield the steps that the columns of a link tell."""
    named = _named(share)
    if not share.is_found:
        what = _("E-mail requested") if share.by_mail else _("Link requested")
        who = name_of(share.requested_by) or _("this site")
        yield timeline.Step(share.requested_at, what, named, who)
    if share.mailed_at is not None:
        # Craftkit's clock may be behind this one.
        at = max(share.mailed_at, share.requested_at)
        yield timeline.Step(at, _("E-mail sent"), named, "Craftkit", tone="good")
    if first_opened is not None:
        what = _("Opened for the first time")
        yield timeline.Step(first_opened, what, who=_reader(share), tone="read")
    if share.revoke_requested_at is not None:
        who = name_of(share.revoke_requested_by) or _("this site")
        yield timeline.Step(share.revoke_requested_at, _("Revocation requested"), named, who)


def actor(event: EngagementEvent, share: Share | None) -> str:
    """Return who an event is of, as far as anybody knows."""
    if share is not None and event.actor == "recipient":
        return _reader(share)
    return str(event.get_actor_display())


def _reader(share: Share) -> str:
    return _named(share) or _("somebody with the link")


def _named(share: Share) -> str:
    return share.recipient_name or share.recipient_email
