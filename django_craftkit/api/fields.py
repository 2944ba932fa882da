"""Fields, serializers and filters that the resources share: strict about what comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import django_filters
from django.conf import settings
from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import BigIntegerField
from django.forms import IntegerField
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import ISO_8601, serializers

from django_craftkit.models.arguments import (
    EARLIEST,
    LATEST,
    check_data,
    check_expiry,
    document_data,
)

from . import errors

if TYPE_CHECKING:
    from django.db.models import Model

    from django_craftkit.models.mirror import Mirror
    from django_craftkit.models.source import Sourced

    T = TypeVar("T")

#: What a body holds that was found to be valid, or an object of any content in it.
Given = dict[str, Any]


def checked(check: Callable[..., T], *arguments: object) -> T:
    """Return what a check of the models returns; refuse what it refuses, with the same message."""
    try:
        return check(*arguments)
    except (TypeError, ValueError) as error:
        raise serializers.ValidationError(str(error)) from None


class Named:
    """Serializers whose names in OpenAPI are not the project's; subclasses there keep theirs."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        name = cls.__name__.removesuffix("Serializer")
        is_ours = cls.__module__.startswith("django_craftkit.")
        extend_schema_serializer(component_name=f"Craftkit{name}" if is_ours else name)(cls)


class InputSerializer(Named, serializers.Serializer[None]):
    """A body. A field that it does not know is an error, so that no typing error goes unnoticed."""

    def to_internal_value(self, data: object) -> Any:
        if isinstance(data, Mapping) and (unknown := data.keys() - self.fields.keys()):
            text = _("There is no such field.")
            wrong = {name: [text] for name in sorted(unknown)[: errors.MOST]}
            raise serializers.ValidationError(wrong, "unknown")
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A string, unchanged: numbers are refused, and spaces are not stripped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.Field):  # type: ignore[type-arg]
    """A JSON object of any content, nested up to 30 deep."""

    def to_internal_value(self, data: object) -> Given:
        return checked(check_data, data, self.field_name or "data")

    def to_representation(self, value: T) -> T:
        return value


class DataField(ObjectField):
    """A document's data."""

    def to_internal_value(self, data: object) -> Given:
        return checked(document_data, data)


class ExpiryField(serializers.DateTimeField):
    """A time in the future, with its offset from UTC."""

    default_error_messages = {
        "naive": gettext_lazy("It has no offset from UTC: write 2030-01-31T12:00:00Z, say."),
    }

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "required": False,
            "allow_null": True,
            "default": None,
            "validators": [partial(checked, check_expiry)],
            # As everywhere in the API, whatever ``DATETIME_INPUT_FORMATS`` the project has.
            "input_formats": [ISO_8601],
        }
        super().__init__(**{**defaults, **options})

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            self.fail("naive")
        if settings.USE_TZ:
            return value
        try:
            return timezone.make_naive(value)
        except OverflowError:
            self.fail("overflow")


class FieldErrorSerializer(Named, serializers.Serializer[errors.Error]):
    """What is wrong with one field."""

    field = serializers.CharField(help_text="`recipients[0].email`, say.")
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorSerializer(Named, serializers.Serializer[errors.Body]):
    """What went wrong: the body of every error, and the `error` of a row."""

    code = serializers.CharField(help_text="Stable: branch on it.")
    message = serializers.CharField(help_text="For people.")
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]


class RowSerializer(Named, serializers.ModelSerializer[Any]):
    """A row as an answer shows it, read-only."""

    error = serializers.SerializerMethodField(help_text="What went wrong, if anything.")

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, row: Mirror) -> errors.Body | None:
        return errors.of_row(row)

    def may(self, codename: str, row: Model) -> bool:
        """Return whether the user has a permission for a row.

        Without a view, which knows the user: no. ``codename`` and ``row`` are as in
        ``CraftkitViewSet.may``.
        """
        view = self.context.get("view")
        return view is not None and view.may(codename, row)


class ShownSourceSerializer(Named, serializers.Serializer[dict[str, str]]):
    """What a document is about."""

    type = serializers.CharField(help_text="`app.model`")
    id = serializers.CharField()
    database = serializers.CharField(
        help_text="Its alias; empty for the database of the documents."
    )


@extend_schema_field(ShownSourceSerializer(allow_null=True))
class ShownSourceField(serializers.Field):  # type: ignore[type-arg]
    """What a row is about, read-only: its type and its key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"source": "*", "read_only": True, **options})

    def to_representation(self, row: Sourced) -> dict[str, str] | None:
        if row.source_type is None:
            return None
        kind = ".".join(row.source_type.natural_key())
        return {"type": kind, "id": row.source_id, "database": row.source_db}


@extend_schema_field(OpenApiTypes.INT)
class KeyFilter(django_filters.NumberFilter):
    """By the primary key of another row."""

    field_class = IntegerField

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
        raise InvalidValue(_("No time zone has this moment."))


def is_in_every_zone(moment: datetime) -> bool:
    """Whether every database can store a moment, and every time zone can show it."""
    if timezone.is_naive(moment):
        moment = moment.replace(tzinfo=UTC)
    return EARLIEST <= moment <= LATEST
