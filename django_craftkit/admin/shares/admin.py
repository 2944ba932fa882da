"""Links: who has which, until when, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common import timeline
from django_craftkit.admin.common.base import collapsed, text_column
from django_craftkit.admin.common.buttons import as_chosen
from django_craftkit.admin.common.format import (
    Context,
    age_by,
    linked,
    on_day,
    outward,
    recipient_of,
)
from django_craftkit.admin.common.lists import ProjectFilter, StateFilter
from django_craftkit.admin.common.truncate import long_of
from django_craftkit.models import EngagementEvent, Render, Share
from django_craftkit.models.problems import ErrorCode

from .buttons import ShareButtons, retry_permission
from .page import can_be_revoked, changed_share, channel_of, share_badges, share_steps

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec, _ListDisplayT
    from django.db.models import QuerySet
    from django.http import HttpRequest


class ShareState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "open": (_("open"), lambda shares: shares.open()),
        "expired": (_("expired"), lambda shares: shares.expired()),
        "settling": (
            _("being settled"),
            lambda shares: shares.filter(status=Share.Status.UNKNOWN).exclude(
                error_code=ErrorCode.MAIL_UNPROVEN
            ),
        ),
        "unsettled": (_("needs a decision"), lambda shares: shares.unsettled()),
        "revoked": (_("revoked"), lambda shares: shares.filter(status=Share.Status.REVOKED)),
        "rejected": (_("rejected"), lambda shares: shares.filter(status=Share.Status.REJECTED)),
        "failed_links": (
            _("links rejected in the last 30 days"),
            lambda shares: shares.needing_action().filter(by_mail=False),
        ),
        "failed_mails": (
            _("e-mails rejected in the last 30 days"),
            lambda shares: shares.needing_action().filter(by_mail=True),
        ),
    }


#: What is shown where there is something to show.
_MAYBE = ("mailed_at", "revoke_requested_at", "revoke_requested_by", "revoked_at")


@admin.register(Share)
class ShareAdmin(ShareButtons):
    list_display = ("document", "shown_state", "for_whom", "made", "expires", "opened", "link")
    list_display_links = ("for_whom",)
    list_filter = (ShareState, "channel", ProjectFilter)
    search_prefixes = ("recipient_email", "render__key")
    ordering = ("-requested_at", "-pk")
    sortable_by = ("made",)
    actions = ("revoke",)
    # The link itself stands here for those alone who may see it, and only while it opens something.
    wholes = ("message", "error", "field_errors")
    filterable = (
        "render",
        "by_mail",
        "recipient_email",
        "message",
        "click_count",
        "error",
        "requested_at",
        "expires_at",
    )
    fieldsets = (
        (None, {"fields": ("document", "link", "for_whom", "shown_message", "expires", "opened")}),
        (_("The way of this link"), {"fields": ("made", *_MAYBE)}),
        collapsed(_("At Craftkit"), "project", "status", "channel", "remote_id", "updated_at"),
    )
    shown_message = text_column("message", _("message"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        queryset = super().get_queryset(request).select_related("render", "requested_by")
        return queryset.defer("answer", *long_of(Render, "render"))

    def get_list_display(self, request: HttpRequest) -> _ListDisplayT[Share]:
        may_see = self.allows(request, "see_share_link")
        return [name for name in self.list_display if name != "link" or may_see]

    def get_fieldsets(self, request: HttpRequest, obj: Share | None = None) -> _FieldsetSpec:
        hidden = {name for name in _MAYBE if obj is None or not getattr(obj, name)}
        if obj is None or not obj.message:
            hidden.add("shown_message")
        if not self.allows(request, "see_share_link", obj):
            hidden.add("link")
        return [
            (title, {**options, "fields": [n for n in options["fields"] if n not in hidden]})
            for title, options in self.fieldsets
        ]

    @admin.display(description=_("document"))
    def document(self, share: Share) -> str:
        url = self.address("change", share.render_id, model="render")
        return linked(url, share.render.title)

    @admin.display(description=_("state"))
    def shown_state(self, share: Share) -> str:
        return share_badges(share)

    @admin.display(description=_("for whom"))
    def for_whom(self, share: Share) -> str:
        return format_html(
            '{}<br><span class="craftkit-quiet">{}</span>',
            share.recipient_email or recipient_of(share),
            channel_of(share),
        )

    @admin.display(description=_("made"), ordering="-requested_at")
    def made(self, share: Share) -> str:
        return age_by(share.requested_at, share.requested_by)

    @admin.display(description=_("expires"))
    def expires(self, share: Share) -> str:
        return on_day(share.expires_at) if share.expires_at else gettext("never")

    @admin.display(description=_("opened"))
    def opened(self, share: Share) -> str:
        number = share.click_count
        return ngettext("%d time", "%d times", number) % number if number else gettext("not yet")

    @admin.display(description=_("link"))
    def link(self, share: Share) -> str:
        return outward(share.url) if share.is_open else "–"

    def context_of(self, request: HttpRequest, row: Share) -> Context:
        may_send = self.allows(request, retry_permission(row), row)
        is_rejected = row.status == Share.Status.REJECTED and row.erased_at is None
        may_revoke = can_be_revoked(row) and self.allows(request, "revoke_share", row)
        context = {
            "badges": share_badges(row),
            "whom": recipient_of(row),
            **self.error_of(row),
            "may_decide": row.is_unsettled and may_send,
            "may_resend": row.revoke_requested_at is None,
            "sent_url": self.address("sent", row.pk),
            "retry_url": self.address("retry", row.pk),
            "may_try": is_rejected and row.revoke_requested_at is None and may_send,
            "ids": as_chosen([row]),
            "revoke_url": self.address("revoke") if may_revoke else "",
        }
        return {"share": context}

    def timeline_of(self, request: HttpRequest, row: Share) -> Context:
        changes = timeline.latest_changes(row)
        first = None
        if row.remote_id is not None and self.allows(request, "view_engagementevent"):
            events = EngagementEvent.objects.filter(share_remote_id=row.remote_id)
            opened = events.filter(type=EngagementEvent.Type.VIEWED).order_by("occurred_at")
            first = opened.values_list("occurred_at", flat=True).first()
        steps = [step for change in changes for step in changed_share(change, row)]
        steps += share_steps(row, first)
        return timeline.context(self, request, row, changes, steps)
