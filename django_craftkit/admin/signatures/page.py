"""How pages show signature requests: one, their badges, their rows in tables, their timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.template.defaultfilters import filesizeformat
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_craftkit.admin.common import timeline
from django_craftkit.admin.common.base import first_seen
from django_craftkit.admin.common.buttons import Button
from django_craftkit.admin.common.format import (
    Context,
    age,
    age_by,
    badge,
    brief,
    exact,
    linked,
    name_of,
    on_day,
    side_by_side,
    signer_name,
)
from django_craftkit.admin.common.truncate import (
    LONG,
    long_of,
    object_of,
    objects_of,
    short_line,
    short_name,
)
from django_craftkit.models import (
    ArchivedFile,
    Change,
    Render,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.words import inside, of_anchor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.http import HttpRequest

    from django_craftkit.admin.common.base import AnyAdmin

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
#: What a recipient did, by the role.
DID = {
    SignatureRecipient.Designation.SIGNER.value: gettext_lazy("signed"),
    SignatureRecipient.Designation.APPROVER.value: gettext_lazy("approved"),
}
#: What is kept of a request.
KINDS = (ArchivedFile.Kind.SIGNED, ArchivedFile.Kind.CERTIFICATE)


def request_context(site: AnyAdmin, request: HttpRequest, row: Addressed) -> Context:
    """Return what the template needs, as far as this user may see it."""
    files = list(ArchivedFile.objects.filter(kind__in=KINDS, object_id=row.pk).order_by("-kind"))
    document = linked(site.address("change", row.render_id, model="render"), row.render.title)
    is_lost = row.unknown_since is not None and not row.is_final
    return {
        "title": short_line(row.name or names(row.all_recipients)),
        "badges": signature_badges(row),
        "document": document,
        "age": inside(age, row.requested_at),
        "asked_by": name_of(row.requested_by),
        "is_lost": is_lost,
        "lost_since": inside(exact, row.unknown_since) if row.unknown_since else "",
        "is_polling_over": row.poll_at is None,
        **site.error_of(row, "" if is_lost else why_ended(row)),
        "why_title": _WHY.get(row.status, _("What went wrong")),  # type: ignore[call-overload]
        "is_bad": row.status
        not in (
            SignatureRequest.Status.CANCELLED,
            SignatureRequest.Status.EXPIRED,
        ),
        "cancelling": _cancelling(row),
        "buttons": list(_buttons(site, request, row, files)),
        "progress": progress(row.all_recipients),
        "recipients": recipient_rows(row, MOST_LISTED),
        "more_recipients": max(len(row.all_recipients) - MOST_LISTED, 0),
        "expires": inside(on_day, row.expires_at) if row.expires_at and not row.is_final else "",
        "files": [
            {
                "kind": file.get_kind_display(),
                "says": file.says,
                "size": filesizeformat(file.size),
                "sha256": file.sha256,
                "at": exact(file.archived_at),
            }
            for file in files
            if file.name
        ],
        "anchors": [
            short_line(text)
            for finding in objects_of(row, "anchor_findings")
            if (text := of_anchor(finding))
        ],
        "is_kept": len(files) == len(KINDS),
        "timeline": site.timeline_of(request, row),
    }


_WHY = {
    SignatureRequest.Status.DECLINED: gettext_lazy("Why it was declined"),
    SignatureRequest.Status.CANCELLED: gettext_lazy("Why it was cancelled"),
}


def _cancelling(row: SignatureRequest) -> str:
    """Return who requested its cancellation, until it is cancelled."""
    if row.cancel_requested_at is None or row.is_final:
        return ""
    text = _("Its end was asked for on %(at)s. Craftkit is told as soon as it answers.")
    if who := name_of(row.cancel_requested_by):
        text = _("%(who)s asked for its end on %(at)s. Craftkit is told as soon as it answers.")
    return text % {"who": who, "at": inside(exact, row.cancel_requested_at)}


def _buttons(
    site: AnyAdmin, request: HttpRequest, row: SignatureRequest, files: list[ArchivedFile]
) -> Iterator[Button]:
    """Yield the buttons that are permitted and make sense now."""
    may, url = site.of_row(request, row)
    is_signed = row.status == SignatureRequest.Status.COMPLETED
    is_erased = any(not file.name for file in files)
    if is_signed and not is_erased and may("download_signaturerequest"):
        yield Button(_("Open signed PDF"), url("signed"), tone="main")
        yield Button(_("Open certificate"), url("certificate"))
    if row.is_retriable and row.render.withdrawn_at is None and may("retry_signaturerequest"):
        # Its document stays as it is, and so would what was found in it.
        label = _("Send it all the same") if row.lacks_anchors else _("Try again")
        yield Button(label, url("retry"), is_post=True, tone="main")
    is_incomplete = not row.is_final or (is_signed and len(files) < len(KINDS))
    if is_incomplete and may("view_signaturerequest"):
        yield Button(_("Ask Craftkit for news"), url("refresh"), is_post=True)
    if row.is_cancellable and may("cancel_signaturerequest"):
        yield Button(_("Cancel the request"), url("cancel"), tone="danger")


_TONES = {
    SignatureRequest.Status.PENDING: "busy",
    SignatureRequest.Status.SENT: "busy",
    SignatureRequest.Status.VIEWED: "busy",
    SignatureRequest.Status.COMPLETED: "good",
    SignatureRequest.Status.DECLINED: "bad",
    SignatureRequest.Status.FAILED: "bad",
    SignatureRequest.Status.REJECTED: "bad",
}


def signature_badges(request: SignatureRequest) -> str:
    tone = _TONES.get(request.status, "quiet")  # type: ignore[call-overload]
    badges = [(request.get_status_display(), tone)]
    if request.erased_at is not None:
        badges.append((_("erased"), "quiet"))
    if not request.is_final:
        if request.cancel_requested_at is not None:
            badges.append((_("being cancelled"), "warn"))
        if request.unknown_since is not None:
            badges.append((_("unknown at Craftkit"), "warn"))
    return side_by_side(badges)


def requests_of(render: Render) -> list[Addressed]:
    """Read the newest requests for a document, with their ``all_recipients``: one query."""
    rows = SignatureRecipient.objects.filter(request__render=render)
    rows = rows.select_related("request__requested_by", "request__cancel_requested_by")
    rows = rows.defer(*long_of(SignatureRequest, "request"))
    rows = rows.order_by("-request__requested_at", "-request_id", "position")
    found: dict[int, Addressed] = {}
    for one in rows[: (MOST_REQUESTS + 1) * MOST_RECIPIENTS]:
        request = found.setdefault(one.request_id, cast("Addressed", one.request))
        request.render = render
        request.all_recipients = [*getattr(request, "all_recipients", ()), one]
    return list(found.values())


def request_row(site: AnyAdmin, row: Addressed) -> Context:
    """Return what the page of a document says of a request for it."""
    return {
        "url": site.address("change", row.pk, model="signaturerequest"),
        "title": brief(row.name or names(row.all_recipients) or str(row.pk)),
        "badges": signature_badges(row),
        "progress": progress(row.all_recipients),
        "recipients": recipient_rows(row),
        "more_recipients": max(len(row.all_recipients) - MOST_RECIPIENTS, 0),
        "asked_for": age_by(row.requested_at, row.requested_by),
        "expires": on_day(row.expires_at) if row.expires_at else "",
    }


def request_rows(
    site: AnyAdmin, request: HttpRequest, requests: Sequence[SignatureRequest]
) -> list[Context]:
    """Return what a confirmation lists of signature requests, if they may be seen."""
    return [
        {
            "document": short_name(row.render.title),
            "names": short_name(names(row.all_recipients)),
            "badges": signature_badges(row),
            "progress": progress(row.all_recipients),
        }
        for row in with_recipients(first_seen(site, request, requests))
    ]


def cancellable(renders: Iterable[Render]) -> list[SignatureRequest]:
    """Return the signature requests that a withdrawal ends."""
    pks = [render.pk for render in renders]
    rows = SignatureRequest.objects.writer().filter(render__in=pks)
    rows = rows.alive().filter(cancel_requested_at=None).select_related("render")
    left = (*LONG[SignatureRequest], *long_of(Render, "render"))
    return list(rows.order_by("render", "pk").defer(*left))


_STEPS = {
    SignatureRequest.Status.PENDING.value: gettext_lazy("To be sent once more to be signed"),
    SignatureRequest.Status.SENT.value: gettext_lazy("Sent to be signed"),
    SignatureRequest.Status.VIEWED.value: gettext_lazy("Opened to be signed"),
    SignatureRequest.Status.COMPLETED.value: gettext_lazy("Signed by all"),
    SignatureRequest.Status.DECLINED.value: gettext_lazy("Signature declined"),
    SignatureRequest.Status.EXPIRED.value: gettext_lazy("Time to sign is over"),
    SignatureRequest.Status.CANCELLED.value: gettext_lazy("Signature request cancelled"),
    SignatureRequest.Status.FAILED.value: gettext_lazy("Signature request failed"),
    SignatureRequest.Status.REJECTED.value: gettext_lazy("Signature request refused"),
    "archived": gettext_lazy("Signed PDF and certificate archived"),
}


def request_steps(
    request: Addressed, changes: Iterable[Change], which: str = ""
) -> Iterator[timeline.Step]:
    """Yield the steps of a signature request; ``which`` it is where there are several."""
    whom = names(request.all_recipients)
    who = name_of(request.requested_by) or _("this site")
    yield timeline.Step(request.requested_at, _("Signature requested"), whom, who)
    if request.cancel_requested_at is not None:
        who = name_of(request.cancel_requested_by) or _("this site")
        what = _("Cancellation requested")
        yield timeline.Step(request.cancel_requested_at, what, whom, who, request.cancel_reason)
    for change in changes:
        if change.kind == Change.Kind.SIGNATURE and change.object_id == request.pk:
            yield _of_signature(change, request, which)


def _of_signature(change: Change, request: Addressed, which: str) -> timeline.Step:
    tone, who = timeline.TONES.get(change.to_status, "quiet"), timeline.cause_of(change)
    if change.recipient is not None:
        what = capfirst(str(DID.get(change.recipient.designation, _("signed"))))
        return timeline.Step(change.created_at, what, who=signer_name(change.recipient), tone=tone)
    what, why = timeline.attempt_of(change, _STEPS), change.note
    if change.to_status == SignatureRequest.Status.DECLINED:
        declined = (one for one in request.all_recipients if one.declined_at is not None)
        who, why = (
            ", ".join(map(signer_name, declined)) or who,
            why or why_ended(request) or str(request.problem),
        )
    why = "\n".join(filter(None, (which, why)))
    return timeline.Step(change.created_at, what, who=who, why=why, tone=tone)


def with_recipients(requests: Iterable[SignatureRequest]) -> list[Addressed]:
    """Give each request its ``all_recipients`` in their order, with one query for all."""
    rows = cast("list[Addressed]", list(requests))
    # Where they were read: a replica may not have what was just requested.
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
    text = ngettext("%(names)s and %(n)d more", "%(names)s and %(n)d more", others)
    return text % {"names": named, "n": others}


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
    if one.signed_at is not None:
        return badge(DID.get(one.designation, _("signed")), "good")
    if one.declined_at is not None:
        return badge(_("declined"), "bad")
    if one.designation == SignatureRecipient.Designation.CC:
        return ""
    if request.is_final:
        approves = one.designation == SignatureRecipient.Designation.APPROVER
        return badge(_("not approved") if approves else _("not signed"), "quiet")
    return badge(_("waiting") if request.is_open else _("not asked yet"), "busy")


def why_ended(request: SignatureRequest) -> str | None:
    """Return why a request came to no good end, in the words of whoever ended it, if any."""
    said = object_of(request, "answer").get("reason")
    if request.status == SignatureRequest.Status.DECLINED and said:
        return str(said)
    if request.status == SignatureRequest.Status.CANCELLED:
        return request.cancel_reason or str(said or "") or None
    return None
