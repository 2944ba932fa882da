"""Templates: what Craftkit has, and what each takes. They are mirrored; nobody makes them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers

from django_craftkit.conf import ALIAS, DEFAULT_PROJECT
from django_craftkit.models import Template

from .base import CraftkitViewSet
from .fields import Named
from .schema import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response

    #: Of drf-spectacular, whose own types say nothing of what it decorates.
    Documented = Callable[[Any], Any]

_PROJECT = OpenApiParameter(
    "project",
    OpenApiTypes.STR,
    description=f"Whose template it is; `{DEFAULT_PROJECT}` without it.",
)
_object: Documented = extend_schema_field({"type": "object", "nullable": True})


class TemplateSerializer(Named, serializers.ModelSerializer[Template]):
    """A template as it was read last."""

    template_type = serializers.CharField(help_text="`document`, `pdf-overlay`")
    is_gone = serializers.BooleanField(help_text="Whether it was deleted at Craftkit.")
    version = serializers.IntegerField(
        allow_null=True, help_text="The current one; null while nothing is published."
    )

    class Meta:
        model = Template
        fields: tuple[str, ...] = (
            "id",
            "project",
            "slug",
            "name",
            "description",
            "template_type",
            "published",
            "version",
            "is_gone",
            "created_at",
            "updated_at",
            "seen_at",
        )
        read_only_fields = fields


@_object
class _ObjectField(serializers.JSONField):
    """JSON as Craftkit wrote it."""


class TemplateDetailSerializer(TemplateSerializer):
    """A template with what it takes."""

    manifest = _ObjectField(
        help_text="`variables` and `loops`, as Craftkit writes them; null while nothing is "
        "published."
    )
    json_schema = _ObjectField(help_text="The same as JSON Schema, draft 07.")

    class Meta(TemplateSerializer.Meta):
        fields = (*TemplateSerializer.Meta.fields, "manifest", "json_schema")
        read_only_fields = fields


class TemplateFilter(django_filters.FilterSet):
    """By what the answer shows, and an index finds."""

    project = django_filters.CharFilter("project")


class TemplateViewSet(CraftkitViewSet[Template]):
    """Templates, the one found last first; without those that were deleted at Craftkit."""

    queryset = Template.objects.all()
    serializer_class: type[serializers.BaseSerializer[Template]] = TemplateSerializer
    serializer_classes = {"retrieve": TemplateDetailSerializer}
    nouns = ("a template", "templates")
    filterset_class: type[django_filters.FilterSet] | None = TemplateFilter
    permissions = {"list": "view_template", "retrieve": "view_template"}
    orderings = {"": ("-id",)}
    is_of_document = False
    lookup_field = "slug"
    lookup_value_regex = "[-_.a-z0-9]{1,120}"

    def get_queryset(self) -> QuerySet[Template]:
        rows = super().get_queryset()
        if self.action == "list":
            return rows.filter(gone_at=None).defer("manifest", "json_schema")
        if getattr(self, "swagger_fake_view", False):
            return rows
        project = self.request.query_params.get("project") or DEFAULT_PROJECT
        # What is no alias may be something that no database takes.
        return rows.filter(project=project) if ALIAS.fullmatch(project) else rows.none()

    @extend_schema(parameters=[_PROJECT])
    @described()
    def retrieve(self, request: Request, *args: object, **kwargs: object) -> Response:
        return super().retrieve(request, *args, **kwargs)
