"""The recipients of a signature request: who they are, and how far each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_craftkit.admin.common.format import Context, badge, exact, signer_name
from django_craftkit.admin.common.truncate import object_of, short_name
from django_craftkit.models import SignatureRecipient, SignatureRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    class Addressed(SignatureRequest):
        """A request that has been given its recipients."""

        all_recipients: list[SignatureRecipient]


#: Requests that the page of a document shows at most, the newest ones.
MOST_REQUESTS = 10
#: Recipients of one request; Craftkit takes no more.
MOST_RECIPIENTS = 20
#: Recipients that the page of a request lists.
MOST_LISTED = 60
#: Recipients that one line names; of the others it says how many there are.
NAMED = 3
#: What a person did who acted, by what they were asked for.
DID = {
    SignatureRecipient.Designation.SIGNER.value: gettext_lazy("signed"),
    SignatureRecipient.Designation.APPROVER.value: gettext_lazy("approved"),
}


def with_recipients(requests: Iterable[SignatureRequest]) -> list[Addressed]:
    """Give each request its ``all_recipients`` in their order, with one query for all."""
    rows = cast("list[Addressed]", list(requests))
    # Where they were read: a replica may not have what was just asked for.
    using = rows[0]._state.db if rows else None
    mine: dict[int, list[SignatureRecipient]] = {row.pk: [] for row in rows}
    recipients = SignatureRecipient.objects.using(using).filter(request__in=list(mine))
    for one in recipients.order_by("position"):
        mine[one.request_id].append(one)
    for row in rows:
        row.all_recipients = mine[row.pk]
    return rows


def progress(recipients: Iterable[SignatureRecipient]) -> str:
    """Return how many have signed or approved, of those who are to: "1 of 2"."""
    acting = [one for one in recipients if one.designation != SignatureRecipient.Designation.CC]
    done = sum(one.signed_at is not None for one in acting)
    return _("%(done)d of %(all)d") % {"done": done, "all": len(acting)}


def names(recipients: Sequence[SignatureRecipient]) -> str:
    """Return who they are, in one line."""
    named = ", ".join(signer_name(one) for one in recipients[:NAMED])
    others = len(recipients) - NAMED
    if others <= 0:
        return named
    return ngettext("%(names)s and %(n)d more", "%(names)s and %(n)d more", others) % {
        "names": named,
        "n": others,
    }


def recipient_rows(request: Addressed, most: int = MOST_RECIPIENTS) -> list[Context]:
    """Return how far each recipient of a request is, the first ones."""
    return [
        {
            "name": short_name(signer_name(one)),
            "email": short_name(one.email),
            "role": one.get_designation_display(),
            "turn": one.order or one.position + 1,
            "badge": _badge(request, one),
            "at": exact(moment) if (moment := one.signed_at or one.declined_at) else "",
        }
        for one in request.all_recipients[:most]
    ]


def _badge(request: SignatureRequest, one: SignatureRecipient) -> str:
    if one.declined_at is not None and one.signed_at is None:
        return badge(_("declined"), "bad")
    if one.signed_at is not None:
        return badge(DID.get(one.designation, _("signed")), "good")
    if one.designation == SignatureRecipient.Designation.CC:
        return ""
    if request.is_final:
        approves = one.designation == SignatureRecipient.Designation.APPROVER
        label = _("not approved") if approves else _("not signed")
        return badge(label, "quiet")
    return badge(_("waiting") if request.is_open else _("not asked yet"), "busy")


def why_ended(request: SignatureRequest) -> str:
    """Return why a request came to no good end, in the words of whoever ended it; "" if so."""
    said = object_of(request, "answer").get("reason")
    if request.status == SignatureRequest.Status.DECLINED and said:
        return str(said)
    if request.status == SignatureRequest.Status.CANCELLED:
        return request.cancel_reason or str(said or "") or request.error
    return request.error
