"""What lists may be filtered by: what their answers show, and an index finds."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

_LARGEST = 2**63 - 1


@extend_schema_field(OpenApiTypes.INT)
class KeyFilter(django_filters.NumberFilter):
    """By the primary key of another row."""

    field_class = forms.IntegerField

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **{"min_value": 1, "max_value": _LARGEST, **options})
