"""The state of a document, of a link or of a signature request at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from django_craftkit.models import Render, Share, SignatureRequest

from .base import badge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.safestring import SafeString

_RENDER = {
    Render.Status.PENDING: "busy",
    Render.Status.QUEUED: "busy",
    Render.Status.RENDERING: "busy",
    Render.Status.SUCCEEDED: "good",
    Render.Status.FAILED: "bad",
    Render.Status.REJECTED: "bad",
}
_SIGNATURE = {
    SignatureRequest.Status.PENDING: "busy",
    SignatureRequest.Status.SENT: "busy",
    SignatureRequest.Status.VIEWED: "busy",
    SignatureRequest.Status.COMPLETED: "good",
    SignatureRequest.Status.DECLINED: "bad",
    SignatureRequest.Status.FAILED: "bad",
    SignatureRequest.Status.REJECTED: "bad",
}


@dataclass(frozen=True, slots=True)
class Act:
    """A button of a page."""

    label: str
    url: str
    is_post: bool = False
    tone: str = ""


def render_badges(render: Render, *, is_overdue: bool) -> SafeString:
    """Return the badges of a document."""
    tone = _RENDER.get(render.status, "quiet")  # type: ignore[call-overload]
    badges = [badge(render.get_status_display(), tone)]
    if is_overdue:
        badges.append(badge(_("overdue"), "warn"))
    if render.withdrawn_at is not None:
        badges.append(badge(_("withdrawn"), "quiet"))
    return _side_by_side(badges)


def signature_badges(request: SignatureRequest) -> SafeString:
    """Return the badges of a signature request."""
    tone = _SIGNATURE.get(request.status, "quiet")  # type: ignore[call-overload]
    badges = [badge(request.get_status_display(), tone)]
    if not request.is_final:
        if request.cancel_requested_at is not None:
            badges.append(badge(_("being cancelled"), "warn"))
        if request.unknown_since is not None:
            badges.append(badge(_("unknown at Craftkit"), "warn"))
    return _side_by_side(badges)


def share_badges(share: Share) -> SafeString:
    """Return the badges of a link."""
    label, tone = share_state(share)
    badges = [badge(label, tone)]
    if share.is_found:
        badges.append(badge(_("found"), "quiet"))
    return _side_by_side(badges)


def share_state(share: Share) -> tuple[Any, str]:
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


def whom(share: Share) -> str:
    """Return for whom a link is."""
    if share.recipient_name and share.recipient_email:
        return f"{share.recipient_name} <{share.recipient_email}>"
    return share.recipient_email or str(_("anybody"))


def channel_of(share: Share) -> Any:
    """Return how a link reaches whom it is for."""
    return _("e-mail by Craftkit") if share.by_mail else _("link")


def _side_by_side(badges: Iterable[SafeString]) -> SafeString:
    return format_html(
        '<span class="craftkit-badges">{}</span>', format_html_join(" ", "{}", zip(badges))
    )
