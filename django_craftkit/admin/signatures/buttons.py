"""The buttons of signature requests, and that of a document to have it signed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_craftkit import conf
from django_craftkit.admin.common import results
from django_craftkit.admin.common.base import MirrorAdmin
from django_craftkit.admin.common.buttons import SECONDS, button, pk_of, timeout
from django_craftkit.admin.common.format import Context, age
from django_craftkit.admin.common.truncate import LONG, short_line
from django_craftkit.files import FileUnavailable, streamed
from django_craftkit.models import (
    ArchivedFile,
    KeyConflict,
    ProjectState,
    Render,
    RenderWithdrawn,
    SignatureRequest,
)
from django_craftkit.permissions import user_of
from django_craftkit.signing import InvalidSignatureRequest
from django_craftkit.words import inside

from . import anchors
from .forms import OFFERS, ROWS, CancelForm, SigningForm
from .page import MOST_RECIPIENTS, names, progress, signature_badges, with_recipients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from .page import Addressed

Kind = ArchivedFile.Kind


class SignatureButtons(MirrorAdmin[SignatureRequest]):
    """The buttons of a signature request."""

    @button("cancel", "cancel_signaturerequest", "GET", "POST")
    def cancel_view(self, request: HttpRequest, row: Addressed) -> HttpResponse:
        if not row.is_cancellable:
            text = _("It was left as it is: it has ended, or is being cancelled.")
            return self.tell(request, row, (messages.WARNING, text))
        form = CancelForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            if row.cancel(reason=reason, user=user_of(request), wait=timeout()):
                self.log_change(request, row, _("Asked for its cancellation."))
            return self.tell(request, row, cancellation_result(row))
        return self.page(
            request,
            "cancel.html",
            title=_("Cancel this signature request?"),
            original=row,
            form=form,
            recipients=row.all_recipients if self.has_view_permission(request, row) else [],
        )

    @button("retry", "retry_signaturerequest")
    def retry_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponse:
        withdrawn = _("Its document was withdrawn: it goes to nobody any more.")
        check = not row.lacks_anchors
        return self.send_again(request, row, request_result, withdrawn, check=check)

    @button("refresh", "view_signaturerequest")
    def refresh_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponse:
        is_fresh = row.refresh(wait=timeout())
        self.log_change(request, row, _("Asked Craftkit for news."))
        return self.tell(request, row, refresh_result(row, is_fresh=is_fresh))

    @button("signed", "download_signaturerequest", "GET")
    def signed_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponseBase:
        failed, done = _("The signed PDF could not be opened. %s"), _("Opened the signed PDF.")
        return self._stream(request, row, Kind.SIGNED, failed, done)

    @button("certificate", "download_signaturerequest", "GET")
    def certificate_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponseBase:
        failed, done = _("The certificate could not be opened. %s"), _("Opened the certificate.")
        return self._stream(request, row, Kind.CERTIFICATE, failed, done)

    def _stream(
        self, request: HttpRequest, row: SignatureRequest, kind: str, failed: str, done: str
    ) -> HttpResponseBase:
        if row.status != SignatureRequest.Status.COMPLETED:
            text = _("Nothing is signed: the request is %s.") % row.get_status_display()
            return self.tell(request, row, (messages.ERROR, text))
        fetch = partial(row.open_file, kind, timeout=SECONDS)
        opened = partial(self.log_change, request, row, done)
        try:
            return streamed(request, fetch, f"{row.render.key} {kind}", row, on_begin=opened)
        except FileUnavailable as error:
            return self.tell(request, row, (messages.ERROR, (failed % error.why).strip()))


SIGNATURES = ProjectState.Capability.SIGNATURES
#: Requests under way that the form shows.
SHOWN = 5
_WITHDRAWN = gettext_lazy("This document was withdrawn: it goes to nobody any more.")


class SigningButtons(MirrorAdmin[Render]):
    """The button of a document that sends it out to be signed."""

    @button("sign", "add_signaturerequest", "GET", "POST")
    def sign_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if not results.can_be_shared(render):
            return self.tell(request, render, results.refused(render, str(_WITHDRAWN)))
        wants_rows = "more" in request.POST
        is_sent = request.method == "POST" and not wants_rows
        form = SigningForm(
            request.POST if is_sent else None,
            render=render,
            user=user_of(request),
            anchors=self._anchors(request, render),
            number=_number_of_rows(request),
            typed=request.POST.dict() if wants_rows else None,
        )
        if form.is_valid() and (sent := self._send(request, render, form)) is not None:
            result = results.sent_once() if form.is_repeat(sent) else request_result(sent)
            return self.tell(request, render, result)
        rows = len(form.rows.forms)
        return self.page(
            request,
            "sign.html",
            title=_("Send for signature"),
            original=render,
            form=form,
            offers=OFFERS,
            known=anchors.to_form(render, form.anchors),
            out=self._under_way(request, render),
            more=min(rows + ROWS, MOST_RECIPIENTS) if rows < MOST_RECIPIENTS else 0,
            waits=results.why_waiting(render.project, SIGNATURES),
        )

    def _may_read(self, request: HttpRequest, render: Render) -> bool:
        # What is offered, and that a text is missing, tells what is in the PDF.
        return self.allows(request, "download_render", render)

    def _anchors(self, request: HttpRequest, render: Render) -> anchors.Anchors:
        """Return what the PDF offers: looked up for a new form, else as the form has it."""
        if request.method == "POST":
            return anchors.from_form(render, request.POST.get("known", ""))
        return anchors.look(render) if self._may_read(request, render) else anchors.Anchors()

    def _send(
        self, request: HttpRequest, render: Render, form: SigningForm
    ) -> SignatureRequest | None:
        """Return the request; ``None`` where it was refused, which the form then shows."""
        if self._may_read(request, render):
            form.say_missing(anchors.missing(render, form.unknown_anchors))
        if not form.is_valid():
            return None
        # Only where a check would refuse it, so that its page still says what was not found.
        is_confirmed = form.cleaned_data["anyway"] and conf.check_anchors() == "refuse"
        try:
            sent = render.send_for_signature(
                form.recipients,
                anchor_tags=form.anchor_tags,
                name=form.cleaned_data["name"],
                expires_in=form.expires_in,
                check=not is_confirmed,
                key=form.key,
                user=user_of(request),
                wait=timeout(),
            )
        except InvalidSignatureRequest as error:
            form.blame(error)
        except KeyConflict:
            # Somebody was faster by a moment, with the same people and other words.
            if (known := form.find_who_was_faster()) is not None:
                form.stand_in_the_way(known)
        except RenderWithdrawn:
            form.add_error(None, results.refused(render, str(_WITHDRAWN))[1])
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            if not form.is_repeat(sent):
                self.log_all(request, [sent.render], _("Asked for signatures."))
                # Who is to sign, is the request's to tell.
                (row,) = with_recipients([sent])
                text = _("Asked for, from %s.") % names(row.all_recipients)
                self.log_all(request, [row], text)
            return sent
        return None

    def _under_way(self, request: HttpRequest, render: Render) -> list[Context]:
        """Return the requests for the document that nobody has ended, if they may be seen."""
        if not self.allows(request, "view_signaturerequest"):
            return []
        requests = SignatureRequest.objects.writer().filter(render=render)
        alive = requests.alive().order_by("-pk").defer(*LONG[SignatureRequest])[:SHOWN]
        return [
            {
                "url": self.address("change", row.pk, model="signaturerequest"),
                "names": short_line(names(row.all_recipients)),
                "badges": signature_badges(row),
                "progress": progress(row.all_recipients),
                "age": inside(age, row.requested_at),
            }
            for row in with_recipients(alive)
        ]


def _number_of_rows(request: HttpRequest) -> int:
    number = pk_of(request.GET.get("rows", str(ROWS)))
    if number is None and request.method == "POST":
        raise BadRequest("It would lose the rows that were filled in.")
    return min(max(number or ROWS, ROWS), MOST_RECIPIENTS)


def request_result(request: SignatureRequest) -> results.Message:
    """Tell what became of a signature request that was sent or retried."""
    status = request.status
    if status == SignatureRequest.Status.REJECTED:
        text = _("The signature request was refused: %s")
        return messages.ERROR, text % results.reason(request)
    if status == SignatureRequest.Status.CANCELLED:
        return messages.WARNING, _("The signature request was cancelled.")
    if status != SignatureRequest.Status.PENDING:
        return messages.SUCCESS, _("The document is sent to be signed.")
    if request.cancel_requested_at is not None:
        return messages.WARNING, _("It is being cancelled.")
    what = _("The signature request is asked for.")
    then = "" if request.render.is_final else _("It is sent as soon as the document is ready.")
    return results.waits(what, request.project, SIGNATURES, then)


def cancellation_result(request: SignatureRequest) -> results.Message:
    """Tell what became of a request to cancel a signature request."""
    if request.status == SignatureRequest.Status.CANCELLED:
        if request.remote_id is None:
            return messages.SUCCESS, _("It is cancelled before it was sent.")
        return messages.SUCCESS, _("It is cancelled: nobody can sign it any more.")
    if request.is_final:
        text = _("It had come to its end before: %s.")
        return messages.WARNING, text % request.get_status_display()
    return results.waits(_("Its end is asked for."), request.project)


def refresh_result(request: SignatureRequest, *, is_fresh: bool) -> results.Message:
    """Tell whether a page shows what Craftkit says of a signature request now."""
    if request.unknown_since is not None and not request.is_final:
        return messages.WARNING, _("Craftkit does not know this request; see below.")
    if is_fresh:
        return messages.SUCCESS, _("This is what Craftkit says now.")
    if request.is_final and request.status != SignatureRequest.Status.COMPLETED:
        return messages.INFO, _("It has come to its end: there is nothing to ask any more.")
    capability = SIGNATURES if request.status == SignatureRequest.Status.PENDING else ""
    return results.waits(_("Craftkit will be asked."), request.project, capability)


def cancellation_results(requests: Sequence[SignatureRequest]) -> list[results.Message]:
    """Tell which signature requests end with their document."""
    pks = [row.pk for row in requests]
    rows = list(SignatureRequest.objects.writer().filter(pk__in=pks).defer(*LONG[SignatureRequest]))
    waiting = [row for row in rows if not row.is_final]
    done = sum(row.status == SignatureRequest.Status.CANCELLED for row in rows)
    cancelled = ngettext_lazy(
        "%d signature request is cancelled.", "%d signature requests are cancelled."
    )
    text = ngettext_lazy(
        "%d signature request will be cancelled as soon as Craftkit answers.",
        "%d signature requests will be cancelled as soon as Craftkit answers.",
    )
    told = results.counted(messages.SUCCESS, cancelled, done)
    return told + results.still_waiting(text, waiting)
