"""Which rows the HTTP API knows for a user: ``VISIBLE``, and ``API_QUERYSET`` on top of it.

Both name a function that gets a queryset of ``Render`` and the request, and returns the documents
that the user may know of. The second one narrows the API alone, further than the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Exists

from django_craftkit import conf
from django_craftkit.visibility import own_documents, visible, visible_documents

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

Rows = TypeVar("Rows", bound="QuerySet[Any]")

__all__ = ["narrowed", "of_narrowed", "own_documents"]


def narrowed(queryset: Rows, request: HttpRequest) -> Rows:
    """Return the rows that the user may know of; ``queryset`` itself where nothing is left out."""
    return visible(queryset, request, conf.options().API_QUERYSET)


def of_narrowed(rows: Rows, request: HttpRequest, one: str = "") -> Rows:
    """Return the rows whose document the user may know of.

    ``one`` is the primary key of the document that they are all of, if there is one.
    """
    if not (one.isascii() and one.isdigit() and len(one) < 19):
        return narrowed(rows, request)
    mine = visible_documents(request, rows.db, conf.options().API_QUERYSET)
    if mine is None:
        return rows
    # Looked up once. For each row of a document, it would be looked up thousands of times.
    return rows.filter(Exists(mine.order_by().filter(pk=int(one))), render=int(one))
