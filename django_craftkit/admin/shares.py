"""Links: who has which, until when, and what became of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_craftkit.database import database
from django_craftkit.models import EngagementEvent, Render, RenderWithdrawn, Share
from django_craftkit.models.share import UNPROVEN

from . import outcomes
from .base import MirrorAdmin, age_by, linked, on_day, outward
from .buttons import MOST, Refused, as_chosen, button, chosen, patience, too_many
from .handing import rows_of
from .lists import ProjectFilter, StateFilter
from .states import can_be_revoked, channel_of, share_badges, whom
from .texts import long_of
from .timeline import changes_of_share, timeline_of_share, told

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString


class ShareState(StateFilter):
    # The front page counts by the same methods.
    states = {
        "open": (_("open"), lambda shares: shares.open()),
        "expired": (_("expired"), lambda shares: shares.expired()),
        "settling": (
            _("being settled"),
            lambda shares: shares.filter(status=Share.Status.UNKNOWN).exclude(error_code=UNPROVEN),
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
_MAYBE = ("message", "mailed_at", "revoke_requested_at", "revoke_requested_by", "revoked_at")


def _retry_permission(share: Share) -> str:
    """What it takes to send it once more is what it takes to send it."""
    return "email_render" if share.by_mail else "add_share"


@admin.register(Share)
class ShareAdmin(MirrorAdmin):
    list_display = (
        "document",
        "shown_state",
        "for_whom",
        "made",
        "expires",
        "opened",
        "link",
    )
    list_display_links = ("for_whom",)
    list_filter = (ShareState, "channel", ProjectFilter)
    search_prefixes = ("recipient_email", "render__key")
    ordering = ("-requested_at", "-pk")
    sortable_by = ("made",)
    actions = ("revoke",)
    # The link itself stands here for those alone who may see it, and only while it opens something.
    wholes = ("message", "error", "field_errors")
    columns = (
        "render",
        "project",
        "status",
        "channel",
        "by_mail",
        "recipient_email",
        "message",
        "click_count",
        "error",
        "remote_id",
        "requested_at",
        "mailed_at",
        "expires_at",
        "revoke_requested_at",
        "revoked_at",
        "updated_at",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "document",
                    "link",
                    "for_whom",
                    "shown_message",
                    "expires",
                    "opened",
                )
            },
        ),
        (
            _("The way of this link"),
            {
                "fields": (
                    "made",
                    "mailed_at",
                    "revoke_requested_at",
                    "revoke_requested_by",
                    "revoked_at",
                )
            },
        ),
        (
            _("At Craftkit"),
            {
                "fields": ("project", "status", "channel", "remote_id", "updated_at"),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = (
        "document",
        "for_whom",
        "shown_message",
        "made",
        "expires",
        "opened",
        "link",
        "updated_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        queryset = super().get_queryset(request).select_related("render", "requested_by")
        return queryset.defer("answer", *long_of(Render, "render"))

    def get_list_display(self, request: HttpRequest) -> Any:
        may_see = self.allows(request, "see_share_link")
        return [name for name in self.list_display if name != "link" or may_see]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        hidden = {name for name in _MAYBE if obj is None or not getattr(obj, name)}
        if "message" in hidden:
            hidden.add("shown_message")
        if not self.allows(request, "see_share_link", obj):
            hidden.add("link")
        return [
            (title, {**options, "fields": [n for n in options["fields"] if n not in hidden]})
            for title, options in self.fieldsets
        ]

    @admin.display(description=_("document"))
    def document(self, share: Share) -> str | SafeString:
        url = self.address("change", share.render_id, model="render")
        shown: str | SafeString = linked(url, share.render.key)
        return shown

    @admin.display(description=_("state"))
    def shown_state(self, share: Share) -> SafeString:
        return share_badges(share)

    @admin.display(description=_("for whom"))
    def for_whom(self, share: Share) -> SafeString:
        return format_html(
            '{}<br><span class="craftkit-quiet">{}</span>',
            share.recipient_email or whom(share),
            channel_of(share),
        )

    @admin.display(description=_("message"))
    def shown_message(self, share: Share) -> str | SafeString:
        return self.text_of(share, "message")

    @admin.display(description=_("made"), ordering="-requested_at")
    def made(self, share: Share) -> SafeString:
        return age_by(share.requested_at, share.requested_by)

    @admin.display(description=_("expires"))
    def expires(self, share: Share) -> str | SafeString:
        return on_day(share.expires_at) if share.expires_at else gettext("never")

    @admin.display(description=_("opened"))
    def opened(self, share: Share) -> str:
        return times(share.click_count)

    @admin.display(description=_("link"))
    def link(self, share: Share) -> str | SafeString:
        return outward(share.url) if share.is_open else "–"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        share = kwargs.get("obj")
        if share is not None:
            may_send = self.allows(request, _retry_permission(share), share)
            is_rejected = share.status == Share.Status.REJECTED
            may_try = is_rejected and share.revoke_requested_at is None and may_send
            may_revoke = can_be_revoked(share) and self.allows(request, "revoke_share", share)
            context["craftkit_link"] = {
                "badges": share_badges(share),
                "whom": whom(share),
                **outcomes.what_went_wrong(self, share),
                "may_decide": share.is_unsettled and may_send,
                "may_resend": share.revoke_requested_at is None,
                "sent_url": self.address("sent", share.pk),
                "retry_url": self.address("retry", share.pk),
                "may_try": may_try,
                "ids": as_chosen([share]),
                "revoke_url": self.address("revoke") if may_revoke else "",
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def way_of(self, request: HttpRequest, row: Share) -> dict[str, Any]:
        changes = changes_of_share(row)
        opened = EngagementEvent.objects.filter(
            share_remote_id=row.remote_id, type=EngagementEvent.Type.VIEWED
        )
        first = None
        if row.remote_id is not None and self.allows(request, "view_engagementevent"):
            first = opened.order_by("occurred_at").values_list("occurred_at", flat=True).first()
        return told(self, request, row, changes, timeline_of_share(row, changes, first))

    @button("sent", "email_render")
    def sent_view(self, request: HttpRequest, share: Share) -> HttpResponse:
        """Hear from a person that an e-mail has come."""
        if share.confirm_mailed(user=self.person(request)):
            self.log_change(request, share, gettext("Said that the e-mail was sent."))
            self.message_user(request, gettext("Noted: it was sent."), messages.SUCCESS)
        else:
            text = gettext("It was left as it is: it needs no decision.")
            self.message_user(request, text, messages.WARNING)
        return self.back(request, share)

    @button("retry", _retry_permission, "GET", "POST")
    def retry_view(self, request: HttpRequest, share: Share) -> HttpResponse:
        if request.method != "POST" and share.is_unsettled:
            return self.page(
                request,
                "confirm.html",
                title=gettext("Send this e-mail again?"),
                original=share,
                url=request.path,
                rows=rows_of(self, request, [share]),
                number=1,
                verb=gettext("Send it again"),
                cancel=self.address("change", share.pk),
                kind="resend",
            )
        try:
            is_asked = request.method == "POST" and self._retry(request, share)
        except RenderWithdrawn:
            text = gettext("Its document was withdrawn: there is no new link to it.")
            self.message_user(request, text, messages.ERROR)
            return self.back(request, share)
        if is_asked:
            level, text = outcomes.of_share(share)
        else:
            level = messages.WARNING
            text = gettext("It was left as it is: there is nothing to send again.")
        self.message_user(request, text, level)
        return self.back(request, share)

    @button("/revoke", None)
    def revoke_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether links are to be revoked; revoke them once that is confirmed."""
        try:
            found = chosen(request, self.get_queryset(request))
        except Refused as error:
            if not self.has_revoke_permission(request):
                raise PermissionDenied from error
            self.message_user(request, str(error), messages.ERROR)
            return self.back(request)
        shares = [share for share in found if self.allows(request, "revoke_share", share)]
        if not shares and not self.has_revoke_permission(request):
            raise PermissionDenied
        if others := len(found) - len(shares):
            text = ngettext(
                "%d link was left as it is: you may not revoke it.",
                "%d links were left as they are: you may not revoke them.",
                others,
            )
            self.message_user(request, text % others, messages.WARNING)
        filters = request.POST.get("filters", "")
        if "confirm" not in request.POST:
            return self._confirm(request, shares, filters)
        self._revoke(request, shares)
        url = ""
        if len(shares) == 1 and self.allows(request, "view_render", shares[0].render):
            url = self.address("change", shares[0].render_id, model="render")
        return HttpResponseRedirect(url) if url else self.back(request, filters=filters)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.allows(request, "revoke_share")

    @admin.action(description=_("Revoke the selected links"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> Any:
        shares = list(queryset.order_by("pk")[: MOST + 1])
        if len(shares) > MOST:
            self.message_user(request, too_many(), messages.ERROR)
            return None
        return self._confirm(request, shares, request.GET.urlencode())

    def _retry(self, request: HttpRequest, share: Share) -> bool:
        is_asked = share.retry(user=self.person(request), wait=patience())
        if is_asked:
            self.log_change(request, share, gettext("Asked for it to be sent once more."))
        return is_asked

    def _confirm(self, request: HttpRequest, shares: list[Share], filters: str) -> HttpResponse:
        alive = [share for share in shares if share.is_revocable]
        if not alive:
            text = gettext("Nothing was done: all of them were revoked before, or never made.")
            self.message_user(request, text, messages.WARNING)
            return self.back(request, filters=filters)
        title = ngettext("Revoke %d link?", "Revoke %d links?", len(alive)) % len(alive)
        return self.page(
            request,
            "confirm.html",
            title=gettext("Revoke this link?") if len(alive) == 1 else title,
            original=None,
            url=self.address("revoke"),
            ids=as_chosen(shares),
            filters=filters,
            rows=rows_of(self, request, alive),
            number=len(alive),
            verb=gettext("Revoke"),
            cancel=self.address("changelist"),
            kind="revoke",
        )

    def _revoke(self, request: HttpRequest, shares: list[Share]) -> None:
        """Write down every wish, then carry out as many as the patience of a person allows."""
        person = self.person(request)
        asked = Share.objects.revoke_chosen([share.pk for share in shares], user=person)
        self.log_all(request, asked, gettext("Asked for its revocation."))
        until = time.monotonic() + patience()
        for share in asked:
            if (left := until - time.monotonic()) <= 0:
                break
            # The wish stands: this waits for what it leads to.
            share.revoke(wait=left)
            if share.status != Share.Status.REVOKED:
                break
        # A worker may have been faster with some of them.
        pks = [share.pk for share in asked]
        now = Share.objects.using(database()).filter(pk__in=pks).defer("answer")
        for level, text in outcomes.of_revocations(now):
            self.message_user(request, text, level)
        if others := len(shares) - len(asked):
            text = ngettext(
                "%d link was left as it is: it was revoked before, or never made.",
                "%d links were left as they are: they were revoked before, or never made.",
                others,
            )
            self.message_user(request, text % others, messages.WARNING)


def times(number: int) -> str:
    """Return how often a link was opened."""
    return ngettext("%d time", "%d times", number) % number if number else gettext("not yet")
