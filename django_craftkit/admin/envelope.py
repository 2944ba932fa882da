"""What the page of one signature request shows, and what the page of its document shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from django_craftkit.models import ArchivedFile, SignatureRequest
from django_craftkit.words import inside

from .base import age, age_by, brief, exact, linked, name_of, on_day
from .outcomes import what_went_wrong
from .people import MOST_LISTED, MOST_PEOPLE, names, people_rows, progress, why_ended
from .states import Act, signature_badges
from .texts import LONGEST_LINE, start
from .timeline import changes_of_request, timeline_of_request, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from .base import MirrorAdmin

#: What is kept of a request.
KINDS = (ArchivedFile.Kind.SIGNED, ArchivedFile.Kind.CERTIFICATE)


def request_page(site: MirrorAdmin, request: HttpRequest, row: Any) -> dict[str, Any]:
    """Return what the template needs, as far as this person may see it."""
    files = list(ArchivedFile.objects.filter(kind__in=KINDS, object_id=row.pk).order_by("-kind"))
    document = linked(site.address("change", row.render_id, model="render"), row.render.key)
    is_cancelled = row.status == SignatureRequest.Status.CANCELLED
    return {
        "title": start(row.name or names(row.people), LONGEST_LINE),
        "badges": signature_badges(row),
        "document": document,
        "age": inside(age, row.requested_at),
        "asked_by": name_of(row.requested_by),
        "is_lost": bool(row.unknown_since) and not row.is_final,
        "lost_since": inside(exact, row.unknown_since) if row.unknown_since else "",
        "is_given_up": row.poll_at is None,
        **what_went_wrong(
            site, row, "" if row.unknown_since and not row.is_final else why_ended(row)
        ),
        "why_title": _why_title(row),
        "is_bad": not is_cancelled and row.status != SignatureRequest.Status.EXPIRED,
        "cancelling": _cancelling(row),
        "acts": list(_acts(site, request, row, files)),
        "progress": progress(row.people),
        "people": people_rows(row, MOST_LISTED),
        "more_people": max(len(row.people) - MOST_LISTED, 0),
        "expires": (inside(on_day, row.expires_at) if row.expires_at and not row.is_final else ""),
        "files": [_file_row(file) for file in files],
        "is_kept": len(files) == len(KINDS),
        **way_of_request(site, request, row),
    }


def way_of_request(site: MirrorAdmin, request: HttpRequest, row: Any) -> dict[str, Any]:
    """Return the timeline of a signature request."""
    changes = changes_of_request(row)
    return told(site, request, row, changes, timeline_of_request(row, changes))


def request_row(site: MirrorAdmin, row: Any) -> dict[str, Any]:
    """Return what the page of a document says of a request for it."""
    return {
        "url": site.address("change", row.pk, model="signaturerequest"),
        "title": brief(row.name or names(row.people) or str(row.pk)),
        "badges": signature_badges(row),
        "progress": progress(row.people),
        "people": people_rows(row),
        "more_people": max(len(row.people) - MOST_PEOPLE, 0),
        "asked_for": age_by(row.requested_at, row.requested_by),
        "expires": on_day(row.expires_at) if row.expires_at else "",
    }


def _why_title(row: SignatureRequest) -> str:
    said = {
        SignatureRequest.Status.DECLINED: _("Why it was declined"),
        SignatureRequest.Status.CANCELLED: _("Why it was cancelled"),
    }
    return said.get(row.status, _("What went wrong"))  # type: ignore[call-overload,no-any-return]


def _cancelling(row: SignatureRequest) -> str:
    """Return who wants it back, where that has not come about yet."""
    if row.cancel_requested_at is None or row.is_final:
        return ""
    said = {"who": name_of(row.cancel_requested_by), "at": inside(exact, row.cancel_requested_at)}
    if said["who"]:
        return (
            _("%(who)s asked for its end on %(at)s. Craftkit is told as soon as it answers.") % said
        )
    return _("Its end was asked for on %(at)s. Craftkit is told as soon as it answers.") % said


def _acts(
    site: MirrorAdmin, request: HttpRequest, row: SignatureRequest, files: list[ArchivedFile]
) -> Iterator[Act]:
    """Yield the buttons that are permitted and make sense now."""

    def may(codename: str) -> bool:
        return site.allows(request, codename, row)

    def url(page: str) -> str:
        return site.address(page, row.pk)

    is_signed = row.status == SignatureRequest.Status.COMPLETED
    if is_signed and may("download_signaturerequest"):
        yield Act(_("Open signed PDF"), url("signed"), tone="main")
        yield Act(_("Open certificate"), url("certificate"))
    if row.is_retriable and row.render.withdrawn_at is None and may("retry_signaturerequest"):
        yield Act(_("Try again"), url("retry"), is_post=True, tone="main")
    if (not row.is_final or (is_signed and len(files) < len(KINDS))) and may(
        "view_signaturerequest"
    ):
        yield Act(_("Ask Craftkit for news"), url("refresh"), is_post=True)
    if row.is_cancellable and may("cancel_signaturerequest"):
        yield Act(_("Cancel the request"), url("cancel"), tone="danger")


def _file_row(file: ArchivedFile) -> dict[str, Any]:
    return {
        "kind": file.get_kind_display(),
        "size": filesizeformat(file.size),
        "sha256": file.sha256,
        "at": exact(file.archived_at),
    }
