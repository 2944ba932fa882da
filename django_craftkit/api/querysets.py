"""Which documents somebody may see at all: ``CRAFTKIT["API_QUERYSET"]``.

It names a function that gets a queryset of ``Render`` and the request, and returns the documents
that the user may know of. Links, events and signature requests are shown if their document is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.apps import apps
from django.db import router
from django.db.models import Exists
from django.utils.module_loading import import_string

from django_craftkit import conf
from django_craftkit.models import Render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    from django_craftkit.permissions import Person

    M = TypeVar("M", bound=Model)


def own_documents(queryset: QuerySet[Render], request: HttpRequest) -> QuerySet[Render]:
    """Narrow to the documents about the user's own objects, as ``API_OWNERS`` says.

    The objects are read where they are: they may live in another database than documents do.
    """
    about: QuerySet[Render] = queryset.for_objects(owned(request.user))  # type: ignore[attr-defined]
    return about


def owned(user: Person) -> Iterator[Model]:
    """Yield the objects that are a user's own: ``{"shop.Order": "customer"}``."""
    for label, path in (conf.options().API_OWNERS or {}).items():
        yield from _of(apps.get_model(label), path, user).only("pk")


def owns(user: Person, source: Model) -> bool:
    """Whether an object is a user's own."""
    paths = conf.options().API_OWNERS or {}
    return any(
        apps.get_model(label) is source._meta.concrete_model
        and _of(apps.get_model(label), path, user).filter(pk=source.pk).exists()
        for label, path in paths.items()
    )


def _of(model: type[M], path: str, user: Person) -> QuerySet[M]:
    # Where it is written: what somebody has just got is theirs. The user by its key, which may be
    # in another database.
    rows = model._base_manager.using(router.db_for_write(model))
    # Its primary key: a foreign key may hold another column of the user, its number say.
    return rows.filter(**{path if path == "pk" else f"{path}__pk": user.pk}).distinct()


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
        # Asked once. Of each row of a document, it would be asked thousands of times.
        return rows.filter(Exists(renders.filter(pk=int(one))), render=int(one))
    return rows.filter(render__in=renders.values("pk"))
