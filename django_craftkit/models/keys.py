"""Foreign keys from Craftkit's own rows to others of its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

if TYPE_CHECKING:
    Descriptor = ForwardManyToOneDescriptor[Any]
else:
    Descriptor = ForwardManyToOneDescriptor

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
