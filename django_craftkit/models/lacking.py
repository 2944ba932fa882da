"""Which objects have no document: one query over a model's rows and the documents'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.db import NotSupportedError, connections, models, router
from django.db.models import CharField, Exists, Value
from django.db.models.functions import Cast, Concat, Substr

from django_craftkit.database import database

from .identity import MAX_PK, ContentTypeId, schema_of

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable


def lacking(objects: models.QuerySet[Any], renders: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Return those of some objects that none of these documents is about.

    Raises ``NotSupportedError`` where no query can tell: the objects are in another database, or
    their primary keys read otherwise in the database than documents hold them.
    """
    model = objects.model
    home, named = router.db_for_write(model), cast("Any", objects)._db
    if home != database() or named not in (None, home):
        raise NotSupportedError(
            f"Rows of {model._meta.label} are in the database {named or home!r}, documents in "
            f"{database()!r}: no query sees both."
        )
    about = renders.using(home).filter(
        source_type=ContentTypeId(model._meta.concrete_model or model),
        source_id=_text_of_key(model),
        source_db="",
        source_schema=schema_of(model, home),
    )
    return objects.using(home).filter(~Exists(about))


def _text_of_key(model: type[models.Model]) -> Combinable:
    """Return the primary key of an outer query's row, as ``stored_key`` writes it."""
    column: Any = model._meta.pk
    while column.remote_field:
        column = column.target_field
    text = Cast(models.OuterRef("pk"), CharField(max_length=MAX_PK))
    if isinstance(column, models.UUIDField):
        if connections[database()].features.has_native_uuid_field:
            return text
        # 32 digits, which documents hold in groups of 8, 4, 4, 4 and 12.
        starts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        groups: list[Any] = []
        for start, length in starts:
            groups += [Substr(text, start, length), Value("-")]
        return Concat(*groups[:-1], output_field=CharField())
    if isinstance(column, (models.IntegerField, models.CharField)):
        return text
    raise NotSupportedError(
        f"{model._meta.label} is known by a {type(column).__name__}, which no database writes as "
        "documents hold it."
    )
