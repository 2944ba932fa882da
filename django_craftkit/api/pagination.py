"""Keyset pagination: pages that do not move when rows are inserted or deleted.

A cursor holds the ordering columns of the last row shown. The next page begins after these values,
which an index finds however many rows there are.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import BigIntegerField, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from .fields import is_in_every_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import Model
    from rest_framework.request import Request
    from rest_framework.views import APIView

    Schema = dict[str, object]

#: Characters; ours have some sixty.
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class _Cursor:
    is_back: bool
    #: Of the row that the page begins after: a moment and a primary key, or the key alone.
    values: tuple[object, ...]

    def encode(self) -> str:
        text = json.dumps([self.is_back, *map(_written, self.values)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, length: int) -> _Cursor:
        """Read what ``encode`` has written; raise ``ValueError`` for anything else."""
        if len(text) > _LONGEST:
            raise ValueError
        match json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))):
            case [bool(is_back), *moments, int(pk)] if (
                len(moments) == length - 1
                and type(pk) is int
                and 0 <= pk <= BigIntegerField.MAX_BIGINT
            ):
                return cls(is_back, (*map(_moment, moments), pk))
        raise ValueError


def _written(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    return (value.astimezone(UTC) if timezone.is_aware(value) else value).isoformat()


def _moment(text: object) -> datetime:
    if not isinstance(text, str):
        raise ValueError
    moment = datetime.fromisoformat(text)
    # As it was written, and no other spelling: what every database can compare.
    if (
        timezone.is_aware(moment) is not settings.USE_TZ
        or not is_in_every_zone(moment)
        or _written(moment) != text
    ):
        raise ValueError
    return moment


class KeysetPagination(BasePagination):
    """Pages by ``cursor``, of ``page_size`` rows, in one of the orders that the view offers.

    The view's ``orderings`` are columns of an index that end with the primary key, by the name that
    ``ordering`` takes, all in one direction; the first is the default.
    """

    page_size = 100
    largest_page_size = 100

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self._url = request.build_absolute_uri()
        columns = self._ordering(request, view.get_orderings())
        self._names = [column.removeprefix("-") for column in columns]
        size, cursor = self._size(request), self._cursor(request)
        is_back = cursor is not None and cursor.is_back
        is_down = columns[0].startswith("-") is not is_back
        rows = queryset.order_by(*(f"-{name}" if is_down else name for name in self._names))
        if cursor is not None:
            rows = rows.filter(_after(self._names, cursor.values, is_down=is_down))
        found = list(rows[: size + 1])
        is_more, page = len(found) > size, found[:size]
        if is_back:
            page.reverse()
        has_next, has_previous = is_back or is_more, is_more if is_back else cursor is not None
        self._next = self._link(page, -1, is_back=False) if has_next else None
        self._previous = self._link(page, 0, is_back=True) if has_previous else None
        return page

    def get_paginated_response(self, data: object) -> Response:
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: Schema) -> Schema:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[Schema]:
        orderings = [name for name in getattr(view, "orderings", {}) if name]
        size = {"type": "integer", "minimum": 1, "maximum": self.largest_page_size}
        parameters = [
            ("cursor", {"type": "string"}, "Where the page begins: as in `next` or `previous`."),
            ("page_size", {**size, "default": self.page_size}, "Rows of a page."),
        ]
        if orderings:
            kind = {"type": "string", "enum": orderings}
            parameters.append(("ordering", kind, "The order of the rows."))
        return [
            {"name": name, "in": "query", "schema": kind, "description": description}
            for name, kind, description in parameters
        ]

    def _ordering(self, request: Request, orderings: Mapping[str, Sequence[str]]) -> Sequence[str]:
        name = request.query_params.get("ordering") or next(iter(orderings))
        if name not in orderings:
            text = _("Write one of %s.") % (", ".join(filter(None, orderings)) or "–")
            raise ValidationError({"ordering": [text]})
        return orderings[name]

    def _size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(self.page_size))
        is_number = given.isascii() and given.isdigit() and len(given) < 10
        if not (is_number and 1 <= int(given) <= self.largest_page_size):
            text = _("Write a whole number from 1 to %d.") % self.largest_page_size
            raise ValidationError({"page_size": [text]})
        return int(given)

    def _cursor(self, request: Request) -> _Cursor | None:
        given = request.query_params.get("cursor")
        if given is None:
            return None
        try:
            return _Cursor.decode(given, len(self._names))
        except (ValueError, RecursionError):
            text = _("It is none of this list: take it from next or previous.")
            raise ValidationError({"cursor": [text]}) from None

    def _link(self, page: Sequence[Model], position: int, *, is_back: bool) -> str:
        if not page:
            # All that was there is gone: the list begins anew.
            return remove_query_param(self._url, "cursor")
        values = tuple(getattr(page[position], name) for name in self._names)
        return replace_query_param(self._url, "cursor", _Cursor(is_back, values).encode())


def _after(names: Sequence[str], values: Sequence[object], *, is_down: bool) -> Q:
    """Return what finds the rows after one, in a way that an index serves.

    The first condition is implied by the second. It is a range of the index; the ``OR`` alone is
    none for any of the databases.
    """
    than = "lt" if is_down else "gt"
    last = Q(**{f"{names[-1]}__{than}": values[-1]})
    if len(names) == 1:
        return last
    moment, value = names[0], values[0]
    return Q(**{f"{moment}__{than}e": value}) & (Q(**{f"{moment}__{than}": value}) | last)
