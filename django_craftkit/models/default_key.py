"""The key of a document that was requested without one: the template, and what it is about."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F, Value
from django.db.models.functions import Concat

from django_craftkit import bulk
from django_craftkit.database import database

from .arguments import MAX_KEY, hash_key
from .content_types import content_types
from .identity import Columns, Identity, any_of, stored_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django.db.models import QuerySet

    from .render import Render


def default_key(template: str, data: Any, source: Identity | None) -> str:
    """Return the key of a document about ``source``, or about its data alone."""
    if source is None:
        return _of_data(template, data)
    return _of_object(template, (source.database, source.schema, source.type_id, source.pk))


def _of_object(template: str, about: Columns) -> str:
    alias, schema, type_id, pk = about
    place = quote(alias, safe="")
    if schema is not None:
        place += f"/{quote(schema, safe='')}"
    # The content type's id, not the model's label, which another model may have tomorrow.
    key = f"{template}:{type_id}{place and f'@{place}'}:{pk}"
    return key if len(key) <= MAX_KEY else f"{template}:{hash_key(key)}"


def earlier_key(template: str, data: dict[str, Any]) -> str:
    """Return the key that data had when Django's encoder made their text."""
    try:
        return _of_data(template, json.loads(json.dumps(data, cls=DjangoJSONEncoder)))
    except (TypeError, ValueError):
        return ""  # it did not take them


def _of_data(template: str, data: Any) -> str:
    text = json.dumps(data, sort_keys=True)
    return f"{template}:{hash_key(text)}"


def known_by_label(
    rows: QuerySet[Render], template: str, sources: Collection[Identity]
) -> dict[Identity, Render]:
    """Return the documents of default keys of earlier versions, which had the model's label.

    The model may have been renamed since, and the object's key have been written in another form.
    """
    if not sources:
        return {}
    found: dict[Columns, list[Render]] = {}
    for row in _labelled(rows.filter(any_of(sources), template=template)):
        found.setdefault(row.source_columns, []).append(row)
    known: dict[Identity, Render] = {}
    for source in sources if found else ():
        mine = [row for columns in source.columns for row in found.get(columns, ())]
        if mine:
            known[source] = min(mine, key=lambda row: (row.source_id != source.pk, row.pk))
    return known


def _labelled(rows: QuerySet[Render]) -> Iterator[Render]:
    """Yield the documents of default keys of earlier versions."""
    for row in rows.filter(key__endswith=Concat(Value(":"), F("source_id"))).order_by("pk"):
        label = rf"{re.escape(row.template)}:[^:.]+\.[^:.]+:"
        if re.fullmatch(label, row.key.removesuffix(row.source_id)):
            yield row


def renamed_from_labels(rows: QuerySet[Render]) -> list[Render]:
    """Return the documents of default keys of earlier versions, by today's: with another hash.

    As long as they have a source they are known by it. One whose key another document has by now
    is left out: that one is found.
    """
    columns = ("project", "template", "key", "key_hash", "source_id", "source_type")
    about = rows.filter(source_type__isnull=False).only(*columns, "source_db", "source_schema")
    renamed: dict[tuple[str, str], Render] = {}
    types = content_types(database())
    for row in _labelled(about):
        alias, schema, type_id, pk = row.source_columns
        model = types.get_for_id(cast("int", type_id)).model_class()
        if model is not None:
            # What is no key of the model's any more stays as it was stored.
            with suppress(TypeError, ValueError):
                pk = stored_key(model, pk)
        row.key_hash = hash_key(_of_object(row.template, (alias, schema, type_id, pk)))
        renamed.setdefault((row.project, row.key_hash), row)
    taken = rows.model.objects.writer().filter(bulk.among("key_hash", {h for _, h in renamed}))
    for known in taken.values_list("project", "key_hash"):
        renamed.pop(known, None)
    return list(renamed.values())
