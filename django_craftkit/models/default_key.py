"""The key of a document that was requested without one: the template, and what it is about."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import F, Value
from django.db.models.functions import Concat

from .arguments import MAX_KEY, hash_key
from .identity import Columns, Identity, any_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import QuerySet

    from .render import Render


def default_key(template: str, data: Any, source: Identity | None) -> str:
    """Return the key of a document about ``source``, or about its data alone."""
    if source is None:
        return _of_data(template, data)
    place = quote(source.database, safe="")
    if source.schema is not None:
        place += f"/{quote(source.schema, safe='')}"
    # The content type's id, not the model's label, which another model may have tomorrow.
    key = f"{template}:{source.type_id}{place and f'@{place}'}:{source.pk}"
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
    about = rows.filter(any_of(sources), template=template)
    label = re.compile(rf"{re.escape(template)}:[^:.]+\.[^:.]+:")
    found: dict[Columns, list[Render]] = {}
    for row in about.filter(key__endswith=Concat(Value(":"), F("source_id"))):
        if label.fullmatch(row.key.removesuffix(row.source_id)):
            found.setdefault(row.source_columns, []).append(row)
    known: dict[Identity, Render] = {}
    for source in sources if found else ():
        mine = [row for columns in source.columns for row in found.get(columns, ())]
        if mine:
            known[source] = min(mine, key=lambda row: (row.source_id != source.pk, row.pk))
    return known
