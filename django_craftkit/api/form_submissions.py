"""Form submissions: what somebody has filled in, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import django_filters
from rest_framework import serializers

from django_craftkit.bulk import among
from django_craftkit.models import FormSubmission, Render
from django_craftkit.models.arguments import MAX_SLUG

from .base import CraftkitViewSet
from .fields import DataField, KeyFilter, Named, ShownSourceField
from .querysets import narrowed, of_narrowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet


class FormSubmissionSerializer(Named, serializers.ModelSerializer[FormSubmission]):
    """A form that somebody has submitted, without its data."""

    source = ShownSourceField(  # type: ignore[assignment]
        help_text="What the form was filled in for, if that is known."
    )
    render = serializers.SerializerMethodField(
        help_text="The document that was made of it; null where you may not know it."
    )
    session_id = serializers.UUIDField(help_text="Craftkit's id of the embed session.")

    class Meta:
        model = FormSubmission
        fields: tuple[str, ...] = (
            "id",
            "project",
            "template",
            "version",
            "session_id",
            "source",
            "render",
            "submitted_at",
            "received_at",
            "erased_at",
        )
        read_only_fields = fields

    def get_render(self, submission: FormSubmission) -> int | None:
        pk: int | None = getattr(submission, "shown_render", submission.render_id)
        return pk


class FormSubmissionDetailSerializer(FormSubmissionSerializer):
    """A form that somebody has submitted; its data are `null` once they were dropped."""

    data = DataField(allow_null=True)  # type: ignore[assignment]

    class Meta:
        model = FormSubmission
        fields = (*FormSubmissionSerializer.Meta.fields, "data")
        read_only_fields = fields


class _RenderFilter(KeyFilter):
    """By a document that the user may know of."""

    def filter(self, rows: QuerySet[FormSubmission], pk: int | None) -> QuerySet[FormSubmission]:
        found: QuerySet[FormSubmission] = super().filter(rows, pk)
        return found if pk is None else of_narrowed(found, self.parent.request, str(pk))


class FormSubmissionFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    template = django_filters.CharFilter(max_length=MAX_SLUG)
    project = django_filters.CharFilter(max_length=64)
    session_id = django_filters.UUIDFilter()
    render = _RenderFilter("render_id")


class FormSubmissionViewSet(CraftkitViewSet[FormSubmission]):
    """Form submissions, the last one received first.

    Where a rule of this site narrows the documents, there are those that are about an object of the
    user's, or whose document the user may know of.
    """

    queryset = FormSubmission.objects.select_related("source_type").defer("answer")
    serializer_class: type[serializers.BaseSerializer[FormSubmission]] = FormSubmissionSerializer
    serializer_classes: ClassVar = {"retrieve": FormSubmissionDetailSerializer}
    nouns = ("a form submission", "form submissions")
    filterset_class: type[django_filters.FilterSet] | None = FormSubmissionFilter
    permissions = {"list": "view_formsubmission", "retrieve": "view_formsubmission"}
    is_of_document = False
    orderings = {"": ("-id",)}

    def get_queryset(self) -> QuerySet[FormSubmission]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows
        if self.action == "list":
            rows = rows.defer("answer", "data")
        return narrowed(rows, self.request)

    def prepare(self, rows: Sequence[FormSubmission]) -> Sequence[FormSubmission]:
        """Hide which documents were made of the user's forms where they may not know of them."""
        pks = {row.render_id for row in rows if row.render_id is not None}
        renders = Render.objects.using(rows[0]._state.db if rows else None).filter(among("pk", pks))
        mine = narrowed(renders, self.request)
        if pks and mine is not renders:
            pks &= set(mine.order_by().values_list("pk", flat=True))
        for row in rows:
            vars(row)["shown_render"] = row.render_id if row.render_id in pks else None
        return rows
