"""Signature requests: who has signed, who has not, and why one came to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_craftkit.files import streamed
from django_craftkit.models import (
    ArchivedFile,
    Render,
    RenderWithdrawn,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.models.signature import MAX_REASON

from . import outcomes
from .base import MirrorAdmin, age_by, brief, linked, on_day
from .buttons import SECONDS, button, patience
from .envelope import request_page, way_of_request
from .forms import TextField
from .lists import SEARCHED, Arm, ProjectFilter, StateFilter, is_list
from .people import names, progress, with_people
from .states import signature_badges
from .texts import LONG, long_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


class SignatureState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "open": (_("waiting for signatures"), lambda requests: requests.open()),
        "held": (_("held"), lambda requests: requests.held()),
        "failed": (
            _("declined or failed in the last 30 days"),
            lambda requests: requests.needing_action(),
        ),
        "unknown": (_("unknown at Craftkit"), lambda requests: requests.unknown()),
    }


class CancelForm(forms.Form):
    reason = TextField(
        label=_("Reason"),
        required=False,
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        help_text=_("Craftkit keeps it with the request. At most 500 characters."),
    )


@admin.register(SignatureRequest)
class SignatureRequestAdmin(MirrorAdmin):
    list_display = (
        "document",
        "shown_name",
        "shown_state",
        "signed",
        "asked_for",
        "expires",
    )
    list_display_links = ("shown_name",)
    list_filter = (SignatureState, "status", ProjectFilter)
    search_prefixes = ("render__key",)
    search_exact = ("remote_id",)
    search_help_text = _(
        "Beginning of: e-mail address of somebody who is to sign, key of the document. "
        "Exactly: Craftkit's id."
    )
    ordering = ("-requested_at", "-pk")
    # What an index serves, and nothing else.
    sortable_by = ("asked_for",)
    wholes = LONG[SignatureRequest]
    columns = (
        "render",
        "project",
        "name",
        "status",
        "remote_id",
        "attempt",
        "requested_at",
        "sent_at",
        "accepted_at",
        "completed_at",
        "cancel_requested_at",
        "cancel_reason",
        "poll_at",
        "updated_at",
    )
    fieldsets = (
        (
            _("Where to sign"),
            {"fields": ("shown_places",), "classes": ("collapse",)},
        ),
        (
            _("At Craftkit"),
            {
                "fields": (
                    "project",
                    "remote_id",
                    "attempt",
                    "sent_at",
                    "accepted_at",
                    "completed_at",
                    "poll_at",
                    "updated_at",
                    "shown_answer",
                ),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = ("shown_places", "shown_answer", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignatureRequest]:
        queryset = super().get_queryset(request).select_related("render", "requested_by")
        queryset = queryset.defer(*long_of(Render, "render"))
        if is_list(request):
            return queryset
        return queryset.select_related("cancel_requested_by")

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        with_people(rows)

    def search_arms(
        self, request: HttpRequest, queryset: QuerySet[Any], text: str
    ) -> Iterable[Arm]:
        yield from super().search_arms(request, queryset, text)
        people = SignatureRecipient.objects.using(queryset.db).filter(email__startswith=text)
        found = list(people.order_by().values_list("request", flat=True)[: SEARCHED + 1])
        means = Q(recipients__email__startswith=text)
        yield Arm(means, Q(pk__in=set(found)), is_all=len(found) <= SEARCHED)

    @admin.display(description=_("document"))
    def document(self, row: SignatureRequest) -> str | SafeString:
        url = self.address("change", row.render_id, model="render")
        shown: str | SafeString = linked(url, brief(row.render.key))
        return shown

    @admin.display(description=_("name"))
    def shown_name(self, row: Any) -> str | SafeString:
        return brief(row.name or names(row.people) or str(row.pk))

    @admin.display(description=_("state"))
    def shown_state(self, row: SignatureRequest) -> SafeString:
        return signature_badges(row)

    @admin.display(description=_("signed"))
    def signed(self, row: Any) -> SafeString:
        return format_html('<span class="craftkit-nowrap">{}</span>', progress(row.people))

    @admin.display(description=_("asked for"), ordering="-requested_at")
    def asked_for(self, row: SignatureRequest) -> SafeString:
        return age_by(row.requested_at, row.requested_by)

    @admin.display(description=_("expires"))
    def expires(self, row: SignatureRequest) -> str | SafeString:
        return on_day(row.expires_at) if row.expires_at else "–"

    @admin.display(description=_("where to sign"))
    def shown_places(self, row: SignatureRequest) -> str | SafeString:
        return format_html_join("", "{}", self._places(row)) or "–"

    def _places(self, row: SignatureRequest) -> Iterator[tuple[Any]]:
        for name in ("fields", "anchor_tags"):
            if getattr(row, f"{name}_text", "[]") != "[]":
                yield (self.json_of(row, name),)

    @admin.display(description=_("answer"))
    def shown_answer(self, row: SignatureRequest) -> str | SafeString:
        return self.json_of(row, "answer")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            context["envelope"] = request_page(self, request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def way_of(self, request: HttpRequest, row: SignatureRequest) -> dict[str, Any]:
        return way_of_request(self, request, row)

    @button("cancel", "cancel_signaturerequest", "GET", "POST")
    def cancel_view(self, request: HttpRequest, row: Any) -> HttpResponse:
        if not row.is_cancellable:
            text = gettext("It was left as it is: it has ended, or is being cancelled.")
            self.message_user(request, text, messages.WARNING)
            return self.back(request, row)
        form = CancelForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            reason, person = form.cleaned_data["reason"], self.person(request)
            if row.cancel(reason=reason, user=person, wait=patience()):
                self.log_change(request, row, gettext("Asked for its cancellation."))
            level, text = outcomes.of_cancellation(row)
            self.message_user(request, text, level)
            return self.back(request, row)
        return self.page(
            request,
            "cancel.html",
            title=gettext("Cancel this signature request?"),
            original=row,
            form=form,
            people=row.people if self.has_view_permission(request, row) else [],
            back=self.address("change", row.pk),
            may_go_back=self.has_view_permission(request, row),
        )

    @button("retry", "retry_signaturerequest")
    def retry_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponse:
        try:
            is_asked = row.retry(user=self.person(request), wait=patience())
        except RenderWithdrawn:
            level = messages.ERROR
            text = gettext("Its document was withdrawn: it goes to nobody any more.")
        else:
            if is_asked:
                self.log_change(request, row, gettext("Asked for it to be sent once more."))
                level, text = outcomes.of_signature(row)
            else:
                level = messages.WARNING
                text = gettext("It was left as it is: there is nothing to send again.")
        self.message_user(request, text, level)
        return self.back(request, row)

    @button("refresh", "view_signaturerequest")
    def refresh_view(self, request: HttpRequest, row: SignatureRequest) -> HttpResponse:
        heard = row.refresh(wait=patience())
        self.log_change(request, row, gettext("Asked Craftkit for news."))
        level, text = outcomes.of_news(row, heard=heard)
        self.message_user(request, text, level)
        return self.back(request, row)

    @button("signed", "download_signaturerequest", "GET")
    def signed_view(self, request: HttpRequest, row: SignatureRequest) -> Any:
        return self._stream(request, row, row.open_signed, ArchivedFile.Kind.SIGNED)

    @button("certificate", "download_signaturerequest", "GET")
    def certificate_view(self, request: HttpRequest, row: SignatureRequest) -> Any:
        return self._stream(request, row, row.open_certificate, ArchivedFile.Kind.CERTIFICATE)

    def _stream(
        self,
        request: HttpRequest,
        row: SignatureRequest,
        fetch: Callable[..., BinaryIO],
        kind: ArchivedFile.Kind,
    ) -> Any:
        is_signed = kind == ArchivedFile.Kind.SIGNED
        if row.status != SignatureRequest.Status.COMPLETED:
            text = gettext("Nothing is signed: the request is %s.") % row.get_status_display()
            self.message_user(request, text, messages.ERROR)
            return self.back(request, row)
        response, why = streamed(
            lambda: fetch(timeout=SECONDS), f"{row.render.key} {kind.value}", row
        )
        if response is None:
            failed = (
                gettext("The signed PDF could not be opened. %s")
                if is_signed
                else gettext("The certificate could not be opened. %s")
            )
            self.message_user(request, (failed % why).strip(), messages.ERROR)
            return self.back(request, row)
        done = (
            gettext("Opened the signed PDF.") if is_signed else gettext("Opened the certificate.")
        )
        self.log_change(request, row, done)
        return response
