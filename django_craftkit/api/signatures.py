"""Signature requests: listed, read, cancelled, and their files. ``RenderViewSet`` sends them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import django_filters
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.decorators import action

from django_craftkit.models import ArchivedFile, Render, SignatureRecipient, SignatureRequest
from django_craftkit.models.signature import MAX_REASON
from django_craftkit.permissions import user_of
from django_craftkit.signing import AnchorTag, Recipient, SignatureField
from django_craftkit.words import of_anchor

from .base import CraftkitViewSet, PDFRenderer
from .errors import AnotherBody, Conflict
from .fields import Given, InputSerializer, KeyFilter, Named, RowSerializer, TextField
from .schema import described

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.serializers import BaseSerializer

#: What is within these and still too much, the models refuse in words.
_MOST_HOURS = 1_000_000
#: A list is counted before its items are looked at: millions of them fit in a body.
_ITEMS: dict[str, Any] = {"many": True, "max_length": 200}


class SignatureRecipientSerializer(Named, serializers.ModelSerializer[SignatureRecipient]):
    """How far one person is."""

    designation = serializers.CharField(help_text="`Signer`, `Approver` or `CC`")

    class Meta:
        model = SignatureRecipient
        fields = (
            "position",
            "first_name",
            "last_name",
            "email",
            "designation",
            "order",
            "signed_at",
            "declined_at",
        )
        read_only_fields = fields


class RecipientSerializer(InputSerializer):
    """Somebody who is to sign, to approve, or to get a copy."""

    first_name = TextField()
    last_name = TextField(allow_blank=True, default="")
    email = TextField()
    designation = TextField(required=False, help_text="`Signer`, `Approver` or `CC`")
    order = serializers.IntegerField(required=False, allow_null=True)


class SignatureFieldSerializer(InputSerializer):
    """Something to fill in at a place of a page, in percent of the page."""

    type = TextField()
    recipient = serializers.IntegerField(required=False)
    page = serializers.IntegerField(required=False)
    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField(required=False, allow_null=True)
    height = serializers.FloatField(required=False, allow_null=True)
    required = serializers.BooleanField(  # type: ignore[assignment]
        required=False, allow_null=True
    )


class AnchorTagSerializer(InputSerializer):
    """Something to fill in wherever a text stands in the PDF."""

    anchor_string = TextField(help_text="The text, letter by letter.")
    type = TextField()
    recipient = serializers.IntegerField(required=False)
    width = serializers.FloatField(required=False, allow_null=True)
    height = serializers.FloatField(required=False, allow_null=True)
    required = serializers.BooleanField(  # type: ignore[assignment]
        required=False, allow_null=True
    )
    ignore_if_not_present = serializers.BooleanField(required=False, allow_null=True)


class SignatureRequestSerializer(RowSerializer):
    """A document sent out to be signed, and how far its people are."""

    recipients = SignatureRecipientSerializer(many=True)
    status = serializers.CharField(
        help_text="`pending`, `sent`, `viewed`, `completed`, `declined`, `expired`, `cancelled`, "
        "`failed`, `rejected`"
    )
    is_final = serializers.BooleanField(help_text="Whether nobody will act on it any more.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Known once Craftkit has it.")
    anchors = serializers.SerializerMethodField(
        help_text="What is wrong with the texts that say where people sign, in words."
    )

    class Meta:
        model = SignatureRequest
        fields = (
            "id",
            "render",
            "name",
            "status",
            "is_final",
            "error",
            "recipients",
            "anchors",
            "expires_at",
            "requested_at",
            "requested_by",
            "accepted_at",
            "completed_at",
            "cancel_requested_at",
            "cancel_reason",
            "erased_at",
        )
        read_only_fields = fields

    def get_anchors(self, row: SignatureRequest) -> list[str]:
        return list(filter(None, map(of_anchor, row.anchor_findings or ())))


class SignatureRequestInputSerializer(InputSerializer):
    """A document to be sent out: to whom, and where they sign."""

    recipients = RecipientSerializer(**_ITEMS)
    fields = SignatureFieldSerializer(required=False, **_ITEMS)  # type: ignore[assignment]
    anchor_tags = AnchorTagSerializer(required=False, **_ITEMS)
    check_anchors = serializers.BooleanField(
        default=True, help_text="False: it is sent whatever texts are in the PDF."
    )
    name = TextField(allow_blank=True, default="")
    expires_in_hours = serializers.IntegerField(
        min_value=1, max_value=_MOST_HOURS, required=False, allow_null=True
    )


def send(
    render: Render, given: Given, *, key: str, user: AbstractBaseUser, wait: float
) -> SignatureRequest:
    """Have a document sent out as a body says; raise ``InvalidSignatureRequest``."""
    hours = given.get("expires_in_hours")
    return render.send_for_signature(
        [Recipient(**one) for one in given["recipients"]],
        fields=[SignatureField(**one) for one in given.get("fields", ())],
        anchor_tags=[AnchorTag(**one) for one in given.get("anchor_tags", ())],
        name=given["name"],
        expires_in=None if hours is None else timedelta(hours=hours),
        check=given["check_anchors"],
        key=key,
        user=user,
        wait=wait,
    )


def check_sent(request: SignatureRequest, given: Given) -> None:
    """Raise ``AnotherBody`` where a signature request is not the one that a body says."""
    if request.expiration_hours != given.get("expires_in_hours"):
        raise AnotherBody(["expires_in_hours"])
    # In Python a key may be used for other values once its request has come to nothing; here it
    # is one request, for ever.
    requests = SignatureRequest.objects.writer().filter(render=request.render_id)
    if requests.filter(key=request.key).exclude(pk=request.pk).exists():
        raise AnotherBody


class CancellationInputSerializer(InputSerializer):
    """Why a signature request is cancelled."""

    reason = TextField(max_length=MAX_REASON, allow_blank=True, default="")


class SignatureRequestFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    render = KeyFilter("render_id")
    status = django_filters.ChoiceFilter(choices=SignatureRequest.Status.choices)


class SignatureRequestViewSet(CraftkitViewSet[SignatureRequest]):
    """Signature requests."""

    queryset = SignatureRequest.objects.defer("answer", "fields", "anchor_tags").prefetch_related(
        "recipients"
    )
    serializer_class: type[BaseSerializer[SignatureRequest]] = SignatureRequestSerializer
    nouns = ("a signature request", "signature requests")
    filterset_class: type[django_filters.FilterSet] | None = SignatureRequestFilter
    permissions = {
        "list": "view_signaturerequest",
        "retrieve": "view_signaturerequest",
        "cancel": "cancel_signaturerequest",
        "signed": "download_signaturerequest",
        "certificate": "download_signaturerequest",
    }

    @described("Cancel a signature request", body=CancellationInputSerializer, acts=True)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Cancel a signature request; twice is no error. 409 if it has ended otherwise."""
        row = self.get_object()
        reason, wait = self.read_body(CancellationInputSerializer)["reason"], self.read_wait()
        if not row.cancel(reason=reason, user=user_of(request), wait=wait) and not row.ended_by:
            raise Conflict(_("It has come to its end."), "ended")
        return self.answer(row)

    @described("Read the signed PDF", answers="file")
    @action(detail=True, renderer_classes=[PDFRenderer, *CraftkitViewSet.renderer_classes])
    def signed(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        """Read the signed PDF; 409 until everybody has signed."""
        return self._file(ArchivedFile.Kind.SIGNED)

    @described("Read the certificate", answers="file")
    @action(detail=True, renderer_classes=[PDFRenderer, *CraftkitViewSet.renderer_classes])
    def certificate(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        """Read the certificate of completion; 409 until everybody has signed."""
        return self._file(ArchivedFile.Kind.CERTIFICATE)

    def _file(self, kind: ArchivedFile.Kind) -> HttpResponseBase:
        row = self.get_object()
        if row.status != SignatureRequest.Status.COMPLETED:
            raise Conflict(_("Nothing is signed yet."), "not_ready")
        name = f"{row.render.template} {row.render_id} {kind.value}"
        return self.stream(partial(row.open_file, kind), name, row)
