"""Links: listed, read, revoked. ``RenderViewSet`` makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django_filters
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.decorators import action

from django_craftkit.models import Share
from django_craftkit.models.share_manager import MAX_EMAIL, MAX_MESSAGE, MAX_NAME
from django_craftkit.permissions import user_of

from .base import CraftkitViewSet
from .fields import ExpiryField, Given, InputSerializer, KeyFilter, RowSerializer, TextField
from .schema import described

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.response import Response


class ShareSerializer(RowSerializer):
    """A link to a document."""

    url = serializers.SerializerMethodField(
        help_text="The address; null if the link is not open, or for users who may not see it."
    )
    status = serializers.CharField(
        help_text="`pending`, `unknown`, `active`, `revoked`, `rejected`"
    )
    is_open = serializers.BooleanField(help_text="Whether it can be opened.")
    channel = serializers.CharField(help_text="`link` or `email`")
    recipient_email = serializers.CharField(help_text="Whom it is for; empty: anybody who has it.")

    class Meta:
        model = Share
        fields = (
            "id",
            "render",
            "status",
            "is_open",
            "error",
            "url",
            "channel",
            "by_mail",
            "recipient_email",
            "recipient_name",
            "message",
            "click_count",
            "expires_at",
            "requested_at",
            "requested_by",
            "mailed_at",
            "revoke_requested_at",
            "revoked_at",
            "erased_at",
        )
        read_only_fields = fields

    def get_url(self, share: Share) -> str | None:
        return share.url if share.is_open and self.may("see_share_link", share) else None


class ShareInputSerializer(InputSerializer):
    """A link to make. Nothing is mailed."""

    message = TextField(max_length=MAX_MESSAGE, allow_blank=True, default="")
    expires_at = ExpiryField(help_text="`null`: never.")
    channel = TextField(default="link", help_text="`email` says that it is for one person.")
    recipient_email = serializers.EmailField(
        max_length=MAX_EMAIL, allow_blank=True, default="", help_text="For whom it is."
    )

    def validate_channel(self, channel: str) -> str:
        if channel not in Share.Channel:
            text = _("Write one of %s.") % ", ".join(Share.Channel.values)
            raise serializers.ValidationError(text)
        return channel

    def validate(self, given: Given) -> Given:
        if given["channel"] == Share.Channel.EMAIL and not given["recipient_email"]:
            text = _("Write whom it is for.")
            raise serializers.ValidationError({"recipient_email": [text]}, "required")
        return given


class EmailInputSerializer(InputSerializer):
    """A mail to one person, with a link of its own."""

    recipient_email = serializers.EmailField(max_length=MAX_EMAIL)
    recipient_name = TextField(max_length=MAX_NAME, allow_blank=True, default="")
    message = TextField(max_length=MAX_MESSAGE, allow_blank=True, default="")
    expires_at = ExpiryField(help_text="`null`: never.")


class ShareFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    render = KeyFilter("render_id")
    status = django_filters.ChoiceFilter(choices=Share.Status.choices)
    channel = django_filters.ChoiceFilter(choices=Share.Channel.choices)
    recipient_email = django_filters.CharFilter(max_length=MAX_EMAIL)


class ShareViewSet(CraftkitViewSet[Share]):
    """Links to documents."""

    queryset = Share.objects.defer("answer")
    serializer_class: type[serializers.BaseSerializer[Share]] = ShareSerializer
    nouns = ("a link", "links")
    filterset_class: type[django_filters.FilterSet] | None = ShareFilter
    permissions = {"list": "view_share", "retrieve": "view_share", "revoke": "revoke_share"}

    @described("Revoke a link", acts=True)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Revoke a link. This site stops showing it at once. Revoking it twice is no error."""
        share = self.get_object()
        share.revoke(user=user_of(request), wait=self.read_wait())
        return self.answer(share)
