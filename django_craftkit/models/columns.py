"""Columns that several models have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from django.conf import settings
from django.db import models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from django_craftkit.client.secret import Secret

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser
    from django.utils.functional import _StrOrPromise

    Descriptor = ForwardManyToOneDescriptor[Any]
    Text = models.TextField[Any, Any]
else:
    Descriptor = ForwardManyToOneDescriptor
    Text = models.TextField

# Type checkers without Django's plugin don't read from ``null=True`` what may be empty.
NullableMoment: TypeAlias = "models.DateTimeField[datetime | None, datetime | None]"
NullableUUID: TypeAlias = "models.UUIDField[uuid.UUID | None, uuid.UUID | None]"
NullableNumber: TypeAlias = "models.PositiveSmallIntegerField[int | None, int | None]"
NullableUser: TypeAlias = "models.ForeignKey[AbstractBaseUser | None, AbstractBaseUser | None]"

Set = TypeVar("Set")
Get = TypeVar("Get")


class _Forward(Descriptor):
    def get_queryset(self, *, instance: Any) -> Any:
        rows = super().get_queryset(instance=instance)
        using = instance._state.db
        return rows if using is None else rows.using(using)

    def get_prefetch_querysets(self, instances: list[Any], querysets: Any = None) -> Any:
        # Django 5.2 would name no instance.
        querysets = querysets or [self.get_queryset(instance=instances[0])]
        return super().get_prefetch_querysets(instances, querysets)


class RowKey(models.ForeignKey[Set, Get]):
    """A key whose row is read from the database that the row which holds it was read from.

    A router may send reads to a replica, and that may not have yet what was just written.
    """

    forward_related_accessor_class = _Forward

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        # The column is that of any foreign key: migrations know no other.
        return name, "django.db.models.ForeignKey", args, kwargs


class SecretText(Text):
    """A text that no repr, page or fixture shows: what is read of it is a ``Secret``."""

    def from_db_value(self, value: str, _expression: object, _connection: object) -> Secret:
        return Secret(value)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Secret) else super().to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.reveal() if isinstance(value, Secret) else value)

    def value_to_string(self, obj: models.Model) -> str:
        return ""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        # The column is that of any text: migrations know no other.
        return name, "django.db.models.TextField", args, kwargs


def user_key(label: _StrOrPromise) -> NullableUser:
    """Return a key to the user who did something; empty for nobody, and for a deleted user."""
    key = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=label,
    )
    return cast("NullableUser", key)


def prefix_index(column: str, name: str) -> models.Index:
    """Return an index for the beginning of a text; a plain one of PostgreSQL doesn't find it."""
    opclasses = ["varchar_pattern_ops", "int8_ops"]
    return models.Index(fields=[column, "id"], name=name, opclasses=opclasses)
