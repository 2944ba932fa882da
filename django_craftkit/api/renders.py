"""Documents: listed, read, requested, retried, withdrawn, and what is made of one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import django_filters
from django.apps import apps
from django.utils.translation import gettext as _
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from django_craftkit.bulk import among
from django_craftkit.database import database
from django_craftkit.models import Render, Share
from django_craftkit.models.arguments import (
    MAX_SLUG,
    hash_key,
)
from django_craftkit.models.content_types import content_types
from django_craftkit.models.identity import MAX_PK, identify
from django_craftkit.permissions import permitted, user_of

from .base import CraftkitViewSet, PDFRenderer
from .engagement import EngagementInputSerializer
from .errors import AnotherBody, Conflict
from .fields import (
    DataField,
    Given,
    KeyFilter,
    MomentFilter,
    RowSerializer,
    ShownSourceField,
)
from .idempotency import check_same
from .querysets import narrowed
from .render_inputs import RenderInputSerializer, SupersedeInputSerializer
from .schema import described
from .shares import EmailInputSerializer, ShareInputSerializer, ShareSerializer
from .signatures import (
    SignatureRequestInputSerializer,
    SignatureRequestSerializer,
    check_sent,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model, QuerySet
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request


class RenderSerializer(RowSerializer):
    """A document in a list, without its data."""

    source = ShownSourceField(  # type: ignore[assignment]
        help_text="What it is about, if anything."
    )
    status = serializers.CharField(
        help_text="`pending`, `queued`, `rendering`, `succeeded`, `failed`, `cancelled`, `rejected`"
    )
    is_final = serializers.BooleanField(help_text="Whether nothing more happens by itself.")
    supersedes = serializers.SerializerMethodField(
        help_text="The document that it is to take the place of; null where you may not know it."
    )
    superseded_by = serializers.SerializerMethodField(
        help_text="The document that takes its place; null where you may not know it."
    )
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many engagement events there are, by type."
    )

    class Meta:
        model = Render
        fields = (
            "id",
            "project",
            "template",
            "version",
            "filename",
            "key",
            "source",
            "batch",
            "status",
            "is_final",
            "error",
            "attempt",
            "counts",
            "requested_at",
            "requested_by",
            "accepted_at",
            "completed_at",
            "withdrawn_at",
            "adopted_at",
            "supersedes",
            "superseded_by",
            "superseded_at",
            "erased_at",
        )
        read_only_fields = fields

    def get_supersedes(self, render: Render) -> int | None:
        pk: int | None = getattr(render, "shown_supersedes", None)
        return pk

    def get_superseded_by(self, render: Render) -> int | None:
        pk: int | None = getattr(render, "shown_superseded_by", None)
        return pk


class RenderDetailSerializer(RenderSerializer):
    """A document with its data, which are `null` until they are built."""

    data = DataField(allow_null=True)  # type: ignore[assignment]

    class Meta:
        model = Render
        fields = (*RenderSerializer.Meta.fields, "data")
        read_only_fields = fields


class RenderFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    status = django_filters.ChoiceFilter(choices=Render.Status.choices)
    template = django_filters.CharFilter(max_length=MAX_SLUG)
    batch = KeyFilter("batch_id")
    project = django_filters.CharFilter(max_length=64)
    key = django_filters.CharFilter(method="by_key", max_length=255)
    source_type = django_filters.CharFilter(
        method="by_source_type", max_length=200, label="`app.model`"
    )
    source_id = django_filters.CharFilter(max_length=MAX_PK)
    requested_after = MomentFilter("requested_at", "gte")
    requested_before = MomentFilter("requested_at", "lt")

    def by_key(self, rows: QuerySet[Render], name: str, value: str) -> QuerySet[Render]:
        # A collation may take another key for the same.
        return rows.filter(key=value, key_hash=hash_key(value))

    def by_source_type(self, rows: QuerySet[Render], name: str, value: str) -> QuerySet[Render]:
        try:
            model = apps.get_model(value)
        except (LookupError, ValueError):
            return rows.none()
        return rows.filter(source_type=content_types(database()).get_for_model(model))


class RenderViewSet(CraftkitViewSet[Render]):
    """Documents."""

    queryset = Render.objects.select_related("source_type").defer("answer")
    serializer_class: type[serializers.BaseSerializer[Render]] = RenderDetailSerializer
    nouns = ("a document", "documents")
    serializer_classes = {
        "share": ShareSerializer,
        "email": ShareSerializer,
        "sign": SignatureRequestSerializer,
    }
    filterset_class: type[django_filters.FilterSet] | None = RenderFilter
    permissions = {
        "list": "view_render",
        "retrieve": "view_render",
        "create": "add_render",
        "pdf": "download_render",
        "retry": "retry_render",
        "withdraw": "withdraw_render",
        "supersede": "supersede_render",
        "share": "add_share",
        "email": "email_render",
        "sign": "add_signaturerequest",
        "record": "add_engagementevent",
    }
    mails = frozenset({"email", "sign"})

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Render]]:
        found = super().get_serializer_class()
        # What a subclass shows of one document it shows in its list too, and no more.
        is_ours = found is RenderDetailSerializer
        return RenderSerializer if is_ours and self.action == "list" else found

    def get_queryset(self) -> QuerySet[Render]:
        rows = super().get_queryset()
        serializer: Any = self.get_serializer_class()
        shown = getattr(serializer.Meta, "fields", ())
        # Of any length, and in a list a hundred times.
        return rows if shown == "__all__" or "data" in shown else rows.defer("answer", "data")

    def prepare(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Add which document takes the place of which, as far as the user may know of both."""
        renders = Render.objects.using(rows[0]._state.db if rows else None)
        successors = renders.filter(among("supersedes", [row.pk for row in rows])).order_by("pk")
        by_old = dict(successors.values_list("supersedes", "pk"))
        others = {*by_old.values(), *(row.supersedes_id for row in rows)} - {None}
        known: set[int] = set()
        if others:
            found = narrowed(renders.filter(among("pk", others)), self.request)
            mine = permitted(self.request.user, "view_render", found)
            known = set() if mine is None else set(mine.order_by().values_list("pk", flat=True))
        for row in rows:
            old, new = row.supersedes_id, by_old.get(row.pk)
            row.shown_supersedes = old if old in known else None
            row.shown_superseded_by = new if new in known else None
        return rows

    def answer(self, row: Model, *, code: int = status.HTTP_200_OK) -> Response:
        if isinstance(row, Render):
            self.prepare([row])
        return super().answer(row, code=code)

    @described("Request a document", body=RenderInputSerializer, makes=True)
    def create(self, request: Request, *args: object, **kwargs: object) -> Response:
        def make(given: Given, **options: Any) -> Render:
            return Render.objects.request(**given, **options)

        def check(render: Render, given: Given) -> None:
            names = ("template", "version", "filename", "data")
            check_same(render, **{name: given[name] for name in names})
            if not render.is_about(given["source"] and identify(given["source"])):
                raise AnotherBody(["source"])
            # A row is known by its key in its project, and a key stands for one row.
            renders = Render.objects.writer()
            named = renders.filter(key=render.key, key_hash=render.key_hash)
            if named.exclude(pk=render.pk).exists():
                raise AnotherBody(["project"])
            if not narrowed(renders.all(), request).filter(pk=render.pk).exists():
                raise PermissionDenied

        return self.request_row("create", RenderInputSerializer, make, check)

    @described("Retry a document", acts=True)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Start the next attempt of a document that failed, was rejected, cancelled or withdrawn.

        409 if the document is ready, or superseded.
        """
        render = self.get_object()
        is_retried = render.retry(user=user_of(request), wait=self.read_wait())
        is_over = render.status == Render.Status.SUCCEEDED or render.superseded_at is not None
        if not is_retried and is_over:
            raise Conflict(_("There is nothing to retry."), "not_retriable")
        return self.answer(render)

    @described("Withdraw a document", acts=True)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Take a document back: its links are revoked, its signature requests cancelled."""
        render = self.get_object()
        render.withdraw(user=user_of(request), wait=self.read_wait())
        return self.answer(render)

    @described("Supersede a document", body=SupersedeInputSerializer, makes=True)
    @action(detail=True, methods=["post"])
    def supersede(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Request a document that takes the place of this one, a corrected invoice say.

        Once it is ready, this one is withdrawn. Without an Idempotency-Key, the body is the key:
        the same body is rendered once. 409 if another document takes its place already.
        """
        old = self.get_object()

        def make(given: Given, **options: Any) -> Render:
            return old.supersede(**given, **options)

        def check(render: Render, given: Given) -> None:
            wanted = {name: value for name, value in given.items() if value is not None}
            check_same(render, **wanted)
            if not narrowed(Render.objects.writer(), request).filter(pk=render.pk).exists():
                raise PermissionDenied

        return self.request_row(
            f"supersede {old.pk}", SupersedeInputSerializer, make, check, or_body=True
        )

    @described("Read the PDF", answers="file")
    @action(detail=True, renderer_classes=[PDFRenderer, *CraftkitViewSet.renderer_classes])
    def pdf(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        """Read the PDF. This records no view: `record` does."""
        render = self.get_object()
        if not render.is_final:
            raise Conflict(_("The document is not ready yet."), "not_ready")
        if render.erased_at is not None:
            raise Conflict(_("The document was erased."), "withdrawn")
        return self.stream(render.open_file, f"{render.template} {render.pk}", render)

    @described("Share a document", body=ShareInputSerializer, makes=True)
    @action(detail=True, methods=["post"])
    def share(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Request a link to a document. It is made as soon as the document is ready."""
        render = self.get_object()
        return self.request_row(
            "share",
            ShareInputSerializer,
            lambda given, **options: render.share(**given, **options),
            lambda share, given: check_same(share, by_mail=False, **given),
        )

    @described("E-mail a document", body=EmailInputSerializer, makes=True)
    @action(detail=True, methods=["post"])
    def email(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Have Craftkit mail a link to one person, as soon as the document is ready.

        Without an Idempotency-Key, the body is the key: the same body is mailed once.
        """
        render = self.get_object()

        def make(given: Given, **options: Any) -> Share:
            options.update(given)
            return render.email(options.pop("recipient_email"), **options)

        def check(share: Share, given: Given) -> None:
            check_same(share, by_mail=True, **given)

        return self.request_row("email", EmailInputSerializer, make, check, or_body=True)

    @described("Send a document for signature", body=SignatureRequestInputSerializer, makes=True)
    @action(detail=True, methods=["post"])
    def sign(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Have Craftkit send a document out to be signed, as soon as it is ready.

        Without an Idempotency-Key, the body is the key: the same body is sent once.
        """
        make = partial(send, self.get_object())
        return self.request_row(
            "sign", SignatureRequestInputSerializer, make, check_sent, or_body=True
        )

    @described("Record that a document was seen", body=EngagementInputSerializer, answers="nothing")
    @action(detail=True, methods=["post"])
    def record(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Tell Craftkit that this site has shown the document to somebody.

        Craftkit counts the same event within five minutes once.
        """
        render = self.get_object()
        given = self.read_body(EngagementInputSerializer)
        if render.remote_id is None:
            raise Conflict(_("The document is not ready yet."), "not_ready")
        render.record(given["type"], given["metadata"])
        return Response(status=status.HTTP_204_NO_CONTENT)
