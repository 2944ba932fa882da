"""Shares: who has which link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_craftkit.models import Share

from .base import MirrorAdmin, ProjectFilter

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@admin.register(Share)
class ShareAdmin(MirrorAdmin):
    list_display = ("render", "shown_status", "channel", "recipient_email", "expires_at", "link")
    list_filter = ("status", "channel", ProjectFilter)
    search_fields = ("render__key", "recipient_email")
    ordering = ("-requested_at", "-pk")
    actions = ("revoke",)
    unseen = ("url",)
    fields = (
        "render",
        "shown_status",
        "link",
        "channel",
        "recipient_email",
        "message",
        "expires_at",
        "click_count",
        "requested_at",
        "requested_by",
        "revoke_requested_at",
        "revoke_requested_by",
        "revoked_at",
        "error",
    )
    readonly_fields = ("shown_status", "link")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        queryset = super().get_queryset(request).select_related("render")
        return queryset.defer("render__data", "render__answer", "render__field_errors")

    def get_list_display(self, request: HttpRequest) -> Any:
        return [
            name
            for name in self.list_display
            if name != "link" or self.allows(request, "see_share_link")
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        may_see = self.allows(request, "see_share_link")
        return [name for name in self.fields if name != "link" or may_see]

    @admin.display(description=_("status"), ordering="status")
    def shown_status(self, share: Share) -> str:
        label = str(share.get_status_display())
        if share.status == Share.Status.ACTIVE and share.revoke_requested_at:
            return str(_("being revoked"))
        return (
            str(_("expired")) if share.status == Share.Status.ACTIVE and share.is_expired else label
        )

    @admin.display(description=_("link"))
    def link(self, share: Share) -> str | SafeString:
        if not share.is_open:
            return "–"
        return format_html(
            '<a href="{}" rel="noreferrer noopener" target="_blank">{}</a>', share.url, _("Open")
        )

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "revoke_share")

    @admin.action(description=_("Revoke the selected shares"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        shares = list(queryset.order_by("pk"))
        revoked = 0
        for share in shares:
            if share.revoke(user=self.person(request)):
                self.log_change(request, share, str(_("Asked for its revocation.")))
                revoked += 1
        left = len(shares) - revoked
        if revoked:
            text = ngettext(
                "%d link is taken back: it is offered nowhere from now on.",
                "%d links are taken back: they are offered nowhere from now on.",
                revoked,
            )
            self.message_user(request, text % revoked, messages.SUCCESS)
        if left:
            text = ngettext(
                "%d link was left as it is: it was taken back before, or never made.",
                "%d links were left as they are: they were taken back before, or never made.",
                left,
            )
            self.message_user(request, text % left, messages.WARNING)
