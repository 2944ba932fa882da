"""What became of what staff asked for, in words: never more than has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_craftkit import conf
from django_craftkit.database import database
from django_craftkit.models import ProjectState, Render, Share, SignatureRequest
from django_craftkit.models.render import NOTHING_TO_RENDER
from django_craftkit.models.share import FINAL
from django_craftkit.words import why_paused

from .texts import LONGEST_LINE, LONGEST_NAME, LONGEST_TEXT, object_of, start
from .texts import is_cut as is_cut_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .base import MirrorAdmin

#: Fields that a page lists the errors of, and errors that it lists of each.
MOST_FIELDS, MOST_ERRORS = 30, 3
#: Characters of an error that a message shows; the page shows all of it.
_LONGEST = 400

Told = tuple[int, str]
SIGNATURES = ProjectState.Capability.SIGNATURES


def why_waiting(project: str, capability: str = "") -> str:
    """Return what holds up what was asked for; "" where nothing does.

    ``capability`` is what of the project it takes.
    """
    if conf.options().PAUSED:
        return _('Everything is held by the setting CRAFTKIT["PAUSED"]. Nothing is lost.')
    state = (
        ProjectState.objects.using(database())
        .paused()
        .filter(project=project, capability__in={"", capability})
        .order_by("capability")
        .first()
    )
    if state is None:
        return ""
    said = {"project": project, "reason": why_paused(state)}
    if state.capability == ProjectState.Capability.SIGNATURES:
        return (
            _("Signature requests of “%(project)s” are paused: %(reason)s Nothing is lost.") % said
        )
    if state.capability:
        return _("E-mail of “%(project)s” is paused: %(reason)s Nothing is lost.") % said
    return _("The project “%(project)s” is paused: %(reason)s Nothing is lost.") % said


def what_went_wrong(site: MirrorAdmin, row: Any, error: str | None = None) -> dict[str, Any]:
    """Return what a page says of an error, in words and by field, as far as there is room for it.

    ``error`` are other words than the row's own.
    """
    text = row.error if error is None else error
    fields = field_errors(row)
    listed = [
        (start(name, LONGEST_NAME), [start(str(one), LONGEST_LINE) for one in errors[:MOST_ERRORS]])
        for name, errors in fields[:MOST_FIELDS]
    ]
    is_all = all(
        name == was and list(map(str, errors)) == given
        for (name, errors), (was, given) in zip(fields, listed, strict=False)
    )
    is_unread = not fields and getattr(row, "field_errors_text", None) not in (None, "{}", "null")
    is_cut = is_unread or len(fields) > len(listed) or not is_all
    return {
        "error": start(text, LONGEST_TEXT),
        "error_more": site.more_of(
            row, "error", is_cut=text == row.error and is_cut_text(text, LONGEST_TEXT)
        ),
        "field_errors": listed,
        "field_errors_more": site.more_of(row, "field_errors", is_cut=is_cut),
    }


def reason(row: Render | Share | SignatureRequest) -> str:
    """Return an error and what is wrong with which field, in one line."""
    parts = [row.error] if row.error else []
    parts += [f"{name}: {'; '.join(map(str, errors))}" for name, errors in field_errors(row)]
    return Truncator(" ".join(parts)).chars(_LONGEST)


def field_errors(row: Render | Share | SignatureRequest) -> list[tuple[str, list[Any]]]:
    """Return what is wrong with which field, as lists whatever Craftkit said."""
    return [
        (str(name), errors if isinstance(errors, list) else [errors])
        for name, errors in sorted(object_of(row, "field_errors").items())
    ]


def of_share(share: Share) -> Told:
    """Tell what became of a link or an e-mail that was asked for."""
    if share.is_unsettled:
        return messages.WARNING, _(
            "Nobody knows whether the e-mail was sent. Somebody has to decide: see its page."
        )
    if share.revoke_requested_at is not None and share.status not in FINAL:
        return messages.WARNING, _("It is being revoked.")
    if share.status == Share.Status.ACTIVE:
        if share.by_mail:
            return messages.SUCCESS, _("The e-mail to %s is sent.") % share.recipient_email
        return messages.SUCCESS, _("The link is ready.")
    if share.status == Share.Status.REJECTED:
        text = _("The e-mail was refused: %s") if share.by_mail else _("The link was refused: %s")
        return messages.ERROR, text % reason(share)
    if share.status == Share.Status.REVOKED:
        return messages.WARNING, _("It was revoked.")
    if share.status == Share.Status.UNKNOWN:
        if share.by_mail:
            return messages.WARNING, _(
                "Craftkit gave no clear answer. Whether the e-mail was sent is being settled; "
                "it is not sent twice."
            )
        return messages.WARNING, _(
            "Craftkit gave no clear answer. Whether the link was made is being settled."
        )
    if share.render.error_code == NOTHING_TO_RENDER:
        return messages.WARNING, nothing()
    what = _("The e-mail is asked for.") if share.by_mail else _("The link is asked for.")
    if not share.render.is_final:
        then = _("It follows as soon as the document is ready.")
        why = why_waiting(share.project, _capability(share))
        return (messages.WARNING, f"{what} {why}") if why else (messages.INFO, f"{what} {then}")
    return _waits(what, share.project, _capability(share))


def of_retry(render: Render) -> Told:
    """Tell what became of another attempt at a document."""
    if render.status == Render.Status.SUCCEEDED:
        return messages.SUCCESS, _("The document is ready.")
    if render.status in (Render.Status.FAILED, Render.Status.REJECTED):
        text = _("The document was tried again and is %(status)s: %(reason)s")
        said = {"status": render.get_status_display(), "reason": reason(render)}
        return messages.ERROR, text % said
    if render.error_code == NOTHING_TO_RENDER:
        return messages.WARNING, nothing()
    if render.status == Render.Status.CANCELLED:
        return messages.WARNING, _("The document was cancelled.")
    if render.status == Render.Status.PENDING:
        return _waits(_("Another attempt is asked for."), render.project)
    return messages.INFO, _("Craftkit has accepted the document and is making it.")


def of_refresh(render: Render, *, heard: bool) -> Told:
    """Tell whether a page shows what Craftkit says now."""
    if render.error_code == NOTHING_TO_RENDER:
        return messages.WARNING, nothing()
    if heard:
        return messages.SUCCESS, _("This is what Craftkit says now.")
    return _waits(_("Craftkit will be asked."), render.project)


def of_withdrawal(render: Render, shares: Iterable[Share]) -> list[Told]:
    """Tell what became of a document that was taken back, and of its links."""
    text = _("The document is withdrawn: no new link to it can be made.")
    return [(messages.SUCCESS, text), *of_revocations(shares)]


def of_revocations(shares: Iterable[Share]) -> list[Told]:
    """Tell which links lead nowhere any more, and which will soon."""
    rows = list(shares)
    done = sum(share.status == Share.Status.REVOKED for share in rows)
    never = sum(share.status == Share.Status.REJECTED for share in rows)
    waiting = [share for share in rows if share.status not in FINAL]
    told: list[Told] = []
    if done:
        text = ngettext("%d link is revoked.", "%d links are revoked.", done)
        told.append((messages.SUCCESS, text % done))
    if never:
        text = ngettext("%d link was never made.", "%d links were never made.", never)
        told.append((messages.INFO, text % never))
    if waiting:
        text = ngettext(
            "%d link is offered nowhere from now on, and will be revoked as soon as Craftkit "
            "answers.",
            "%d links are offered nowhere from now on, and will be revoked as soon as Craftkit "
            "answers.",
            len(waiting),
        )
        why = next(filter(None, map(why_waiting, sorted({s.project for s in waiting}))), "")
        told.append((messages.WARNING, f"{text % len(waiting)} {why}".strip()))
    return told


def of_signature(request: SignatureRequest) -> Told:
    """Tell what became of a signature request that was asked for."""
    status = request.status
    if status == SignatureRequest.Status.REJECTED:
        text = _("The signature request was refused: %s")
        return messages.ERROR, text % reason(request)
    if status == SignatureRequest.Status.CANCELLED:
        return messages.WARNING, _("The signature request was cancelled.")
    if status != SignatureRequest.Status.PENDING:
        return messages.SUCCESS, _("The document is sent to be signed.")
    if request.cancel_requested_at is not None:
        return messages.WARNING, _("It is being cancelled.")
    what = _("The signature request is asked for.")
    if not request.render.is_final and not why_waiting(request.project, SIGNATURES):
        then = _("It is sent as soon as the document is ready.")
        return messages.INFO, f"{what} {then}"
    return _waits(what, request.project, SIGNATURES)


def of_cancellation(request: SignatureRequest) -> Told:
    """Tell what became of a signature request that somebody wants back."""
    if request.status == SignatureRequest.Status.CANCELLED:
        if request.remote_id is None:
            return messages.SUCCESS, _("It is cancelled before it was sent.")
        return messages.SUCCESS, _("It is cancelled: nobody can sign it any more.")
    if request.is_final:
        text = _("It had come to its end before: %s.")
        return messages.WARNING, text % request.get_status_display()
    return _waits(_("Its end is asked for."), request.project)


def of_news(request: SignatureRequest, *, heard: bool) -> Told:
    """Tell whether a page shows what Craftkit says of a signature request now."""
    if request.unknown_since is not None and not request.is_final:
        return messages.WARNING, _("Craftkit does not know this request; see below.")
    if heard:
        return messages.SUCCESS, _("This is what Craftkit says now.")
    if request.is_final and request.status != SignatureRequest.Status.COMPLETED:
        return messages.INFO, _("It has come to its end: there is nothing to ask any more.")
    pending = request.status == SignatureRequest.Status.PENDING
    return _waits(_("Craftkit will be asked."), request.project, SIGNATURES if pending else "")


def of_cancellations(requests: Iterable[SignatureRequest]) -> list[Told]:
    """Tell which signature requests end with their document."""
    rows = list(requests)
    waiting = [row for row in rows if not row.is_final]
    done = sum(row.status == SignatureRequest.Status.CANCELLED for row in rows)
    told: list[Told] = []
    if done:
        text = ngettext(
            "%d signature request is cancelled.", "%d signature requests are cancelled.", done
        )
        told.append((messages.SUCCESS, text % done))
    if waiting:
        text = ngettext(
            "%d signature request will be cancelled as soon as Craftkit answers.",
            "%d signature requests will be cancelled as soon as Craftkit answers.",
            len(waiting),
        )
        why = next(filter(None, map(why_waiting, sorted({r.project for r in waiting}))), "")
        told.append((messages.WARNING, f"{text % len(waiting)} {why}".strip()))
    return told


def nothing() -> str:
    """Tell that a document turned out to be none."""
    return _("There is nothing to render: there is no document, and nothing was sent.")


def _capability(share: Share) -> str:
    return ProjectState.Capability.EMAIL if share.by_mail else ""


def _waits(what: str, project: str, capability: str = "") -> Told:
    if why := why_waiting(project, capability):
        return messages.WARNING, f"{what} {why}"
    then = _("It will be done as soon as Craftkit answers.")
    return messages.INFO, f"{what} {then}"
