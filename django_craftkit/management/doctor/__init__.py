"""The doctor: what is wrong, and what to do. The command ``craftkit_doctor`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import DatabaseError

from django_craftkit import conf

from .declarations import check_declarations, check_missing, check_samples
from .finding import Check, Finding
from .projects import check_project, check_webhook_address
from .work import check_broker, check_work

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Check", "Finding", "findings"]


def findings(chosen: list[str] | None, *, deploy: bool) -> Iterator[Finding]:
    """Yield the findings of the projects that were chosen; of all, where none was.

    ``deploy``: also build data of some objects of each declaration.
    """
    known = conf.project_aliases()
    aliases = chosen or known
    if not known:
        what = "CRAFTKIT_PROJECTS names a project"
        yield Finding(Check.PROJECTS, what, "it names none", "See manage.py check.")
    for alias in aliases:
        yield from check_project(alias)
    for alias in aliases:
        yield check_webhook_address(alias)
    yield from check_declarations(chosen)
    yield from check_missing(chosen)
    if deploy:
        yield from check_samples(chosen)
    yield check_broker()
    try:
        yield from check_work(aliases, is_all=not chosen)
    except DatabaseError as error:
        what = "the tables of Craftkit can be read"
        yield Finding(Check.TABLES, what, str(error), "Run manage.py migrate.")
