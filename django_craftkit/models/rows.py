"""What the querysets and managers of all models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models

from django_craftkit.database import database

M = TypeVar("M", bound=models.Model)


class RowQuerySet(models.QuerySet[M]):
    def writer(self) -> Self:
        """Return these rows in the database that Craftkit's are written to, not in a replica."""
        return self.using(database())


if TYPE_CHECKING:

    class RowManager(RowQuerySet[M], models.Manager[M]): ...  # type: ignore[misc]

else:
    RowManager = models.Manager.from_queryset(RowQuerySet)
