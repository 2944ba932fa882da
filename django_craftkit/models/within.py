"""Rows about the objects that a query finds: few are named, and many stay a query in the query."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.models import CharField, F, IntegerField, Q, QuerySet
from django.db.models.functions import Cast

from django_craftkit.database import database

from .identity import MAX_PK, ContentTypeId, any_of, identify_if_known, schema_of

#: Objects that a query names at most, where it can do otherwise.
FEW = 1000
#: How primary keys become what Django hands over, where that reads the same in the database.
_PLAIN = (IntegerField.to_python, CharField.to_python)


def about_found(objects: QuerySet[Any], using: str) -> Q:
    """Return what finds the rows about these objects, in the database ``using``."""
    # Named, since databases can but guess how many rows a query in the query finds.
    few = list(objects.only("pk")[: FEW + 1])
    if len(few) > FEW:
        if _tells_keys(objects, using):
            return _within(objects, using)
        few = list(objects.only("pk"))
    return any_of(filter(None, map(identify_if_known, few)))


def _tells_keys(objects: QuerySet[Any], using: str) -> bool:
    """Whether a query over rows in a database can read the objects, and their keys as rows hold
    them.
    """
    model = objects.model
    if not objects.db == using == router.db_for_write(model) == database():
        return False
    column: Any = model._meta.pk
    while column.remote_field:
        column = column.target_field
    return type(column).to_python in _PLAIN and not hasattr(column, "from_db_value")


def _within(objects: QuerySet[Any], using: str) -> Q:
    model = objects.model
    keys = objects.order_by().annotate(craftkit_key=Cast(F("pk"), CharField(max_length=MAX_PK)))
    return Q(
        source_type=ContentTypeId(model._meta.concrete_model or model),
        source_id__in=keys.values("craftkit_key"),
        source_db="",
        source_schema=schema_of(model, using),
    )
