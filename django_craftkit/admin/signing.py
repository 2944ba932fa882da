"""Sending a document out to be signed, from its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.utils.translation import gettext as _

from django_craftkit.database import database
from django_craftkit.models import (
    KeyConflict,
    ProjectState,
    RenderWithdrawn,
    SignatureRequest,
)
from django_craftkit.signing import InvalidSignatureRequest
from django_craftkit.words import inside

from . import outcomes
from .base import MirrorAdmin, age
from .buttons import button, patience, pk_of
from .handing import can_be_handed_out
from .people import MOST_PEOPLE, names, progress, with_people
from .signing_form import ROWS, SigningForm
from .states import signature_badges
from .texts import LONG, LONGEST_LINE, start

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from django_craftkit.models import Render

#: Requests under way that the form shows.
SHOWN = 5


class Signing(MirrorAdmin):
    """The button of a document that sends it out to be signed."""

    @button("sign", "add_signaturerequest", "GET", "POST")
    def sign_view(self, request: HttpRequest, render: Render) -> HttpResponse:
        if not can_be_handed_out(render):
            self.message_user(request, _cannot(render), messages.ERROR)
            return self.back(request, render)
        wants_rows = "more" in request.POST
        is_sent = request.method == "POST" and not wants_rows
        form = SigningForm(
            request.POST if is_sent else None,
            render=render,
            person=self.person(request),
            rows=_rows(request),
            typed=request.POST.dict() if wants_rows else None,
        )
        if is_sent and form.is_valid():
            asked = self._send(request, render, form)
            if asked is not None:
                level, text = outcomes.of_signature(asked)
                if form.is_repeat(asked):
                    level = messages.INFO
                    text = _("It was asked for a moment ago and stays as it was: it is sent once.")
                self.message_user(request, text, level)
                return self.back(request, render)
        rows = len(form.people.forms)
        return self.page(
            request,
            "sign.html",
            title=_("Send for signature"),
            original=render,
            form=form,
            out=self._under_way(request, render),
            more=min(rows + ROWS, MOST_PEOPLE) if rows < MOST_PEOPLE else 0,
            back=self.address("change", render.pk),
            may_go_back=self.has_view_permission(request, render),
            waits=outcomes.why_waiting(render.project, ProjectState.Capability.SIGNATURES),
        )

    def _send(
        self, request: HttpRequest, render: Render, form: SigningForm
    ) -> SignatureRequest | None:
        """Return the request; ``None`` where it was refused, which the form then says."""
        try:
            asked = render.send_for_signature(
                form.recipients,
                anchor_tags=form.anchor_tags,
                name=form.cleaned_data["name"],
                expires_in=form.expires_in,
                key=form.key,
                user=self.person(request),
                wait=patience(),
            )
        except InvalidSignatureRequest as error:
            form.blame(error)
        except KeyConflict:
            # Somebody was faster by a moment, with the same people and other words.
            if (known := form.find_who_was_faster()) is not None:
                form.stand_in_the_way(known)
        except RenderWithdrawn:
            form.add_error(None, _cannot(render))
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            if not form.is_repeat(asked):
                self._log(request, asked)
            return asked
        return None

    def _log(self, request: HttpRequest, asked: SignatureRequest) -> None:
        self.log_change(request, asked.render, _("Asked for signatures."))
        # Who is to sign, is the request's to tell.
        (row,) = with_people([asked])
        self.log_change(request, asked, _("Asked for, from %s.") % names(row.people))

    def _under_way(self, request: HttpRequest, render: Render) -> list[dict[str, Any]]:
        """Return the requests for the document that nobody has ended, if they may be seen."""
        if not self.allows(request, "view_signaturerequest"):
            return []
        requests = SignatureRequest.objects.using(database()).filter(render=render)
        alive = requests.alive().order_by("-pk").defer(*LONG[SignatureRequest])[:SHOWN]
        return [
            {
                "url": self.address("change", row.pk, model="signaturerequest"),
                "names": start(names(row.people), LONGEST_LINE),
                "badges": signature_badges(row),
                "progress": progress(row.people),
                "age": inside(age, row.requested_at),
            }
            for row in with_people(alive)
        ]


def _rows(request: HttpRequest) -> int:
    asked = pk_of(request.GET.get("rows", str(ROWS)))
    if asked is None and request.method == "POST":
        raise BadRequest("It would lose the rows that were filled in.")
    return min(max(asked or ROWS, ROWS), MOST_PEOPLE)


def _cannot(render: Render) -> str:
    if render.is_retriable and render.withdrawn_at is None:
        return _("There is no PDF: the document is %s.") % render.get_status_display()
    return _("This document was withdrawn: it goes to nobody any more.")
