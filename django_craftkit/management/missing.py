"""Objects that should have a document and have none: counted, and asked for."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db import NotSupportedError

from django_craftkit.bulk import in_batches
from django_craftkit.declarations import declared
from django_craftkit.events import ask_for
from django_craftkit.failures import breaks_transaction
from django_craftkit.models import Render

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from django.db import models

    from django_craftkit.declarations import Declaration

#: Objects that are read at once.
BATCH = 500

LACKING, UNTOLD = "objects have no document", "objects of which no query tells are looked at"
ASKED, NOT_FOR, FAILED = "documents asked for", "objects that when= leaves out", "failures"


def expecting(projects: Collection[str] | None) -> list[Declaration]:
    """Return the declarations with ``queryset=``: one for each function, of these projects.

    ``None``: of all projects. One whose project is a function may be of any.
    """
    # Several events may make the same documents of the same objects.
    several = {
        (one.name, one.template, one.project, one.queryset, one.key, one.when): one
        for one in declared()
        if one.queryset is not None
    }
    return [
        one
        for one in several.values()
        if projects is None or not isinstance(one.project, str) or one.project in projects
    ]


def count_missing(declaration: Declaration) -> Counter[str]:
    """Return how many objects have no document, or would be asked for where no query can tell."""
    try:
        rows, name = declaration.missing(), LACKING
    except NotSupportedError:
        rows, name = declaration.rows(), UNTOLD
    return Counter({name: 0 if rows is None else rows.count()})


def request_missing(
    declaration: Declaration,
    projects: Collection[str],
    tell: Callable[[models.Model, Exception], None],
) -> Iterator[tuple[str, int]]:
    """Ask for the documents that objects lack, each in a transaction of its own.

    Yields what became of each object. What a function of the declaration's raises is told and
    counted, and the rest goes on; an error that breaks a transaction ends it.
    """
    for source in _objects(declaration):
        try:
            if declaration.project_of(source) not in projects:
                continue
            is_for = ask_for(declaration, source)
        except Exception as error:
            if breaks_transaction(error):
                raise
            # The functions are the project's own, and may raise anything.
            tell(source, error)
            yield FAILED, 1
        else:
            yield (ASKED if is_for else NOT_FOR), 1


def _objects(declaration: Declaration) -> Iterator[models.Model]:
    """Yield the objects without a document."""
    try:
        yield from _each(declaration.missing())
    except NotSupportedError:
        renders = Render.objects.writer().filter(template=declaration.template)
        if isinstance(declaration.project, str):
            renders = renders.filter(project=declaration.project)
        # Documents that are there are left alone: they may wait, or have been given up.
        for source in _each(declaration.rows()):
            if not renders.for_object(source).exists():
                yield source


def _each(rows: models.QuerySet[Any] | None) -> Iterator[models.Model]:
    return chain.from_iterable(() if rows is None else in_batches(rows, BATCH))
