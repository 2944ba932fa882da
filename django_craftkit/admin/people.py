"""The people of a signature request: who they are, and how far each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_craftkit.models import SignatureRecipient, SignatureRequest

from .base import badge, exact
from .texts import LONGEST_NAME, long_of, object_of, start

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django_craftkit.models import Render

#: Requests that the page of a document shows at most, the newest ones.
MOST_REQUESTS = 10
#: People of one request; Craftkit takes no more.
MOST_PEOPLE = 20
#: People that the page of a request lists.
MOST_LISTED = 60
#: People that one line names; of the others it says how many there are.
NAMED = 3
#: What a person did who acted, by what they were asked for.
DID = {
    SignatureRecipient.Designation.SIGNER.value: gettext_lazy("signed"),
    SignatureRecipient.Designation.APPROVER.value: gettext_lazy("approved"),
}


def with_people(requests: Iterable[Any]) -> list[Any]:
    """Give each request its ``people`` in their order, with one query for all."""
    rows = list(requests)
    # Where they were read: a replica may not have what was just asked for.
    using = rows[0]._state.db if rows else None
    mine: dict[int, list[SignatureRecipient]] = {row.pk: [] for row in rows}
    recipients = SignatureRecipient.objects.using(using).filter(request__in=list(mine))
    for one in recipients.order_by("position"):
        mine[one.request_id].append(one)
    for row in rows:
        row.people = mine[row.pk]
    return rows


def requests_of(render: Render) -> list[Any]:
    """Read the newest requests for a document, each with its ``people``: one query for all."""
    rows = SignatureRecipient.objects.filter(request__render=render)
    rows = rows.select_related("request__requested_by", "request__cancel_requested_by")
    rows = rows.defer(*long_of(SignatureRequest, "request"))
    rows = rows.order_by("-request__requested_at", "-request_id", "position")
    found: dict[int, Any] = {}
    for one in rows[: (MOST_REQUESTS + 1) * MOST_PEOPLE]:
        request: Any = found.setdefault(one.request_id, one.request)
        request.render = render
        request.people = [*getattr(request, "people", ()), one]
    return list(found.values())


def progress(people: Iterable[SignatureRecipient]) -> str:
    """Return how many have signed or approved, of those who are to: "1 of 2"."""
    acting = [one for one in people if one.designation != SignatureRecipient.Designation.CC]
    done = sum(one.signed_at is not None for one in acting)
    return _("%(done)d of %(all)d") % {"done": done, "all": len(acting)}


def names(people: Sequence[SignatureRecipient]) -> str:
    """Return who they are, in one line."""
    named = ", ".join(name_of(one) for one in people[:NAMED])
    others = len(people) - NAMED
    if others <= 0:
        return named
    return ngettext("%(names)s and %(n)d more", "%(names)s and %(n)d more", others) % {
        "names": named,
        "n": others,
    }


def name_of(one: SignatureRecipient) -> str:
    """Return what a person is called; whom Craftkit has added may have no name."""
    return one.full_name or one.email


def people_rows(request: Any, most: int = MOST_PEOPLE) -> list[dict[str, Any]]:
    """Return how far each person of a request is, the first ones."""
    return [
        {
            "name": start(name_of(one), LONGEST_NAME),
            "email": start(one.email, LONGEST_NAME),
            "role": one.get_designation_display(),
            "turn": one.order or one.position + 1,
            "badge": _badge(request, one),
            "at": exact(moment) if (moment := one.signed_at or one.declined_at) else "",
        }
        for one in request.people[:most]
    ]


def _badge(request: SignatureRequest, one: SignatureRecipient) -> Any:
    if one.declined_at is not None and one.signed_at is None:
        return badge(_("declined"), "bad")
    if one.signed_at is not None:
        return badge(DID.get(one.designation, _("signed")), "good")
    if one.designation == SignatureRecipient.Designation.CC:
        return ""
    if request.is_final:
        label = _("not approved") if _approves(one) else _("not signed")
        return badge(label, "quiet")
    return badge(_("waiting") if request.is_open else _("not asked yet"), "busy")


def _approves(one: SignatureRecipient) -> bool:
    return one.designation == SignatureRecipient.Designation.APPROVER


def why_ended(request: SignatureRequest) -> str:
    """Return why a request came to no good end, in the words of whoever ended it; "" if so."""
    said = object_of(request, "answer").get("reason")
    if request.status == SignatureRequest.Status.DECLINED and said:
        return str(said)
    if request.status == SignatureRequest.Status.CANCELLED:
        return request.cancel_reason or str(said or "") or request.error
    return request.error
