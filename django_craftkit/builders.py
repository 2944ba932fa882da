"""The functions that make a document's data, by their dotted names.

``events.py`` declares them, the reconciler calls them: neither has to know the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from .database import database, storable
from .models.mirror import check_data

if TYPE_CHECKING:
    from .models import Render

logger = logging.getLogger(__name__)

Builder = Callable[..., dict[str, Any] | None]

_builders: dict[str, Builder] = {}
_templates: dict[str, set[str]] = {}
#: The models that events were declared for: a proxy's function wants a proxy.
_senders: dict[str, Any] = {}


class BuilderError(Exception):
    """The data of a document could not be made; the message is for staff."""


class UnknownBuilder(Exception):
    """No function of this name is declared here: this process may be older than the code."""


def register(name: str, builder: Builder, *, template: str, project: str, sender: Any) -> None:
    _builders[name] = builder
    _senders[name] = sender
    _templates.setdefault(project, set()).add(template)


def templates_of(project: str) -> set[str]:
    """Return the slugs that declarations render in a project."""
    return set(_templates.get(project, ()))


def build(render: Render) -> dict[str, Any] | None:
    """Return the data of a declared document, from its source as it is saved now.

    Raises ``BuilderError`` where the function raises or its source is gone, and
    ``UnknownBuilder`` where no such function is declared.
    """
    builder = _builders.get(render.builder)
    if builder is None:
        raise UnknownBuilder(
            f"This worker knows no function {render.builder!r}. If it is older than the code, "
            "restart it. If the function was moved or renamed while this document waited, bring "
            "it back under that name."
        )
    if render.source_type is None:
        raise BuilderError("It is about no object, so its data can't be made again.")
    source = render.read_source(_senders.get(render.builder))
    if source is None:
        raise BuilderError(f"{render.source_type} {render.source_id} does not exist any more.")
    return call(builder, source, {}, using=render.source_db or database())


def call(
    builder: Builder, source: object, arguments: Mapping[str, Any], *, using: str
) -> dict[str, Any] | None:
    """Return what a builder makes of a source, as plain JSON; raise ``BuilderError``.

    It runs in a transaction, or savepoint, of the source's database, so that an error of the
    database in it breaks nothing else.
    """
    try:
        with transaction.atomic(using=using):
            data = builder(source, **arguments)
        return None if data is None else check_data(data)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        # Staff are shown what it says; whoever mends it wants to know where.
        logger.exception("The function that makes the data of a document raised.")
        raise BuilderError(storable(f"{type(error).__name__}: {error}")) from error
