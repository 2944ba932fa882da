"""What lists may be filtered by: what their answers show, and an index finds."""

from __future__ import annotations

from datetime import UTC, datetime

import django_filters
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField
from django.utils import timezone
from django.utils.translation import gettext as _
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from django_craftkit.models.arguments import EARLIEST, LATEST


@extend_schema_field(OpenApiTypes.INT)
class KeyFilter(django_filters.NumberFilter):
    """By the primary key of another row."""

    field_class = forms.IntegerField

    def __init__(self, name: str) -> None:
        super().__init__(name, min_value=1, max_value=BigIntegerField.MAX_BIGINT)


class _MomentField(IsoDateTimeField):
    def clean(self, value: object) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is None or settings.USE_TZ or timezone.is_naive(moment):
            return moment
        # As the rows of a site without time zones have it.
        return timezone.make_naive(moment, timezone.get_default_timezone())


class MomentFilter(django_filters.IsoDateTimeFilter):
    """By a moment that every database can compare, whatever its offset from UTC is."""

    field_class = _MomentField

    def __init__(self, name: str, lookup: str) -> None:
        super().__init__(name, lookup, validators=[_check])


def _check(moment: datetime) -> None:
    if not is_in_every_zone(moment):
        raise ValidationError(_("No time zone has this moment."))


def is_in_every_zone(moment: datetime) -> bool:
    """Whether every database can store a moment, and every time zone can show it."""
    if timezone.is_naive(moment):
        moment = moment.replace(tzinfo=UTC)
    return EARLIEST <= moment <= LATEST
