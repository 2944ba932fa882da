"""Which documents somebody may see at all: ``CRAFTKIT["API_QUERYSET"]``.

It names a function that gets a queryset of ``Render`` and the request, and returns the documents
that the user may know of. Links, events and signature requests are shown if their document is;
form submissions also if they are about an object of the user's (``API_OWNERS``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Exists, Q
from django.utils.module_loading import import_string

from django_craftkit import conf
from django_craftkit.models import FormSubmission, Render
from django_craftkit.permissions import owned_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    M = TypeVar("M", bound=Model)


def own_documents(queryset: QuerySet[Render], request: HttpRequest) -> QuerySet[Render]:
    """Narrow ``queryset`` to the documents about objects of the user of ``request``.

    ``API_OWNERS`` says whose an object is. The objects are read from their own database, which
    may be another one than that of the documents.
    """
    narrow: QuerySet[Render] = queryset.for_objects(_own_objects(request))  # type: ignore[attr-defined]
    return narrow


def own_submissions(queryset: QuerySet[FormSubmission], request: HttpRequest) -> Any:
    """Narrow ``queryset`` to what is about objects of the user, or has a document of theirs.

    Whose an object is, ``API_OWNERS`` says; which documents there are, ``API_QUERYSET``. Without
    that it is all.
    """
    if conf.options().API_QUERYSET is None:
        return queryset
    mine = narrowed(Render.objects.using(queryset.db).all(), request).order_by()
    about = FormSubmission.objects.using(queryset.db).for_objects(_own_objects(request))
    return queryset.filter(Q(render__in=mine.values("pk")) | Q(pk__in=about.values("pk")))


def _own_objects(request: HttpRequest) -> Iterator[Model]:
    return (one for rows in owned_by(request.user) for one in rows.only("pk"))


def narrowed(queryset: QuerySet[Render], request: HttpRequest) -> QuerySet[Render]:
    """Return the documents that the user may know of: all, without ``API_QUERYSET``."""
    path = conf.options().API_QUERYSET
    if path is None:
        return queryset
    rows: QuerySet[Render] = import_string(path)(queryset, request)
    if sum(map(bool, rows.query.alias_refcount.values())) > 1:
        # It joins tables: a document is there once, however many of their rows say so.
        rows = queryset.filter(pk__in=rows.order_by().values("pk"))
    return rows


def of_narrowed(rows: QuerySet[M], request: HttpRequest, one: str = "") -> QuerySet[M]:
    """Return the rows whose document the user may know of.

    ``one`` is the primary key of the document that they are all of, if there is one.
    """
    if conf.options().API_QUERYSET is None:
        return rows
    renders = narrowed(Render.objects.using(rows.db).all(), request).order_by()
    if one.isascii() and one.isdigit() and len(one) < 19:
        # Looked up once. For each row of a document, it would be looked up thousands of times.
        return rows.filter(Exists(renders.filter(pk=int(one))), render=int(one))
    return rows.filter(render__in=renders.values("pk"))
