"""Batches: documents that were requested in one go. Code requests them; nobody makes them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import django_filters
from rest_framework import serializers
from rest_framework.decorators import action

from django_craftkit import conf
from django_craftkit.database import database
from django_craftkit.models import Batch, Render
from django_craftkit.models.arguments import MAX_NAME, MAX_SLUG
from django_craftkit.models.batch import count_by_status
from django_craftkit.permissions import user_of
from django_craftkit.visibility import visible_documents

from .base import CraftkitViewSet
from .fields import Named
from .querysets import narrowed
from .schema import described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response

    from django_craftkit.models.render_queryset import RenderQuerySet


class BatchSerializer(Named, serializers.ModelSerializer[Batch]):
    """A batch with the numbers of its documents: of those that the user may know of."""

    counts = serializers.SerializerMethodField(help_text="How many documents there are, by status.")
    total = serializers.SerializerMethodField(help_text="How many documents there are.")

    class Meta:
        model = Batch
        fields: tuple[str, ...] = (
            "id",
            "project",
            "template",
            "name",
            "counts",
            "total",
            "requested_at",
            "requested_by",
            "filled_at",
            "completed_at",
        )
        read_only_fields = fields

    def get_counts(self, batch: Batch) -> dict[str, int]:
        # As ``prepare`` of the view leaves it.
        counts: dict[str, int] = vars(batch).get("shown_counts", {})
        return counts

    def get_total(self, batch: Batch) -> int:
        return sum(self.get_counts(batch).values())


class BatchFilter(django_filters.FilterSet):
    """By what the answer shows."""

    template = django_filters.CharFilter(max_length=MAX_SLUG)
    project = django_filters.CharFilter(max_length=64)
    name = django_filters.CharFilter(max_length=MAX_NAME)


class BatchViewSet(CraftkitViewSet[Batch]):
    """Batches, with how far each has come.

    Where a rule of this site narrows the documents, there are the batches that have one of those,
    and nothing else is counted, or retried.
    """

    queryset = Batch.objects.all()
    serializer_class: type[serializers.BaseSerializer[Batch]] = BatchSerializer
    nouns = ("a batch", "batches")
    filterset_class: type[django_filters.FilterSet] | None = BatchFilter
    permissions = {"list": "view_batch", "retrieve": "view_batch", "retry": "retry_render"}
    is_of_document = False

    def get_queryset(self) -> QuerySet[Batch]:
        rows = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else narrowed(rows, self.request)

    def get_documents(self, using: str) -> RenderQuerySet:
        """Return the documents of any batch that the user may know of."""
        return cast("RenderQuerySet", narrowed(Render.objects.using(using).all(), self.request))

    def prepare(self, rows: Sequence[Batch]) -> Sequence[Batch]:
        if rows:
            documents = self.get_documents(str(rows[0]._state.db))
            counts = count_by_status(documents, [row.pk for row in rows])
            for row in rows:
                vars(row)["shown_counts"] = counts[row.pk]
        return rows

    @described("Retry the failed documents of a batch", acts=True, waits=False)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Start the next attempt of the documents that failed or were rejected.

        Those that were withdrawn stay as they are. Without any, nothing is done.
        """
        batch = self.get_object()
        of = visible_documents(request, database(), conf.options().API_QUERYSET)
        batch.retry_failed(user=user_of(request), of=of)
        batch.refresh_from_db()
        return self.answer(self.prepare([batch])[0])
