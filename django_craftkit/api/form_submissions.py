"""Form submissions: what somebody has filled in, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import django_filters
from rest_framework import serializers

from django_craftkit.models import FormSubmission
from django_craftkit.models.arguments import MAX_SLUG

from .base import CraftkitViewSet
from .fields import DataField, KeyFilter, Named, ShownSourceField
from .querysets import narrowed

if TYPE_CHECKING:
    from django.db.models import QuerySet


class FormSubmissionSerializer(Named, serializers.ModelSerializer[FormSubmission]):
    """A form that somebody has submitted, without its data."""

    source = ShownSourceField(  # type: ignore[assignment]
        help_text="What the form was filled in for, if that is known."
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


class FormSubmissionDetailSerializer(FormSubmissionSerializer):
    """A form that somebody has submitted; its data are `null` once they were dropped."""

    data = DataField(allow_null=True)  # type: ignore[assignment]

    class Meta:
        model = FormSubmission
        fields = (*FormSubmissionSerializer.Meta.fields, "data")
        read_only_fields = fields


class FormSubmissionFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    template = django_filters.CharFilter(max_length=MAX_SLUG)
    project = django_filters.CharFilter(max_length=64)
    session_id = django_filters.UUIDFilter()
    render = KeyFilter("render_id")


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
