"""Signature requests: who has signed, who has not, and why one came to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common import timeline
from django_craftkit.admin.common.base import collapsed, json_column
from django_craftkit.admin.common.format import Context, age_by, brief, linked, on_day
from django_craftkit.admin.common.lists import SEARCHED, Arm, ProjectFilter, StateFilter, is_list
from django_craftkit.admin.common.truncate import LONG, long_of
from django_craftkit.models import Render, SignatureRecipient, SignatureRequest
from django_craftkit.visibility import visible

from .buttons import SignatureButtons
from .page import (
    names,
    progress,
    request_context,
    request_steps,
    signature_badges,
    with_recipients,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from .page import Addressed


class SignatureState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "open": (_("waiting for signatures"), lambda requests: requests.open()),
        "held": (_("held"), lambda requests: requests.waiting()),
        "failed": (
            _("declined or failed in the last 30 days"),
            lambda requests: requests.needing_action(),
        ),
        "unknown": (_("unknown at Craftkit"), lambda requests: requests.unknown()),
    }


@admin.register(SignatureRequest)
class SignatureRequestAdmin(SignatureButtons):
    list_display = ("document", "shown_name", "shown_state", "signed", "asked_for", "expires")
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
    filterable = (
        "render",
        "name",
        "status",
        "requested_at",
        "cancel_requested_at",
        "cancel_reason",
    )
    fieldsets = (
        collapsed(_("Where to sign"), "shown_places"),
        collapsed(
            _("At Craftkit"),
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
    )
    shown_answer = json_column("answer", _("answer"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignatureRequest]:
        queryset = super().get_queryset(request).select_related("render", "requested_by")
        queryset = queryset.defer(*long_of(Render, "render"))
        if is_list(request):
            return queryset
        return queryset.select_related("cancel_requested_by")

    def get_wholes(self, request: HttpRequest, obj: SignatureRequest) -> Sequence[str]:
        # What was found of the anchors is told in words.
        return [name for name in self.wholes if name != "anchor_findings"]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[SignatureRequest]) -> None:
        with_recipients(rows)

    def search_arms(
        self, request: HttpRequest, queryset: QuerySet[SignatureRequest], text: str
    ) -> Iterable[Arm]:
        yield from super().search_arms(request, queryset, text)
        people = SignatureRecipient.objects.using(queryset.db).filter(email__startswith=text)
        people = visible(people, request)
        found = list(people.order_by().values_list("request", flat=True)[: SEARCHED + 1])
        means = Q(recipients__email__startswith=text)
        yield Arm(means, Q(pk__in=set(found)), is_all=len(found) <= SEARCHED)

    @admin.display(description=_("document"))
    def document(self, row: SignatureRequest) -> str:
        url = self.address("change", row.render_id, model="render")
        return linked(url, brief(row.render.title))

    @admin.display(description=_("name"))
    def shown_name(self, row: Addressed) -> str:
        return brief(row.name or names(row.all_recipients) or str(row.pk))

    @admin.display(description=_("state"))
    def shown_state(self, row: SignatureRequest) -> str:
        return signature_badges(row)

    @admin.display(description=_("signed"))
    def signed(self, row: Addressed) -> str:
        return format_html('<span class="craftkit-nowrap">{}</span>', progress(row.all_recipients))

    @admin.display(description=_("asked for"), ordering="-requested_at")
    def asked_for(self, row: SignatureRequest) -> str:
        return age_by(row.requested_at, row.requested_by)

    @admin.display(description=_("expires"))
    def expires(self, row: SignatureRequest) -> str:
        return on_day(row.expires_at) if row.expires_at else "–"

    @admin.display(description=_("where to sign"))
    def shown_places(self, row: SignatureRequest) -> str:
        names = ("fields", "anchor_tags")
        found = (name for name in names if getattr(row, f"{name}_text", "[]") != "[]")
        return format_html_join("", "{}", ((self.json_of(row, name),) for name in found)) or "–"

    def context_of(self, request: HttpRequest, row: Addressed) -> Context:
        return {"signature_request": request_context(self, request, row)}

    def timeline_of(self, request: HttpRequest, row: Addressed) -> Context:
        changes = timeline.latest_changes(row)
        return timeline.context(self, request, row, changes, request_steps(row, changes))
