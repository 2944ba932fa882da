"""The doctor: what is wrong, and what to do. The command ``craftkit_doctor`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import Error

from django_craftkit import conf, waking

from .declarations import check_declarations, check_missing, check_samples
from .finding import Check, Finding
from .projects import check_embedding, check_project, check_resolver, check_webhook_address
from .work import check_work

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Check", "Finding", "findings"]


def findings(chosen: list[str] | None, *, deploy: bool) -> Iterator[Finding]:
    """Yield the findings of the projects that were chosen.

    Where none was, of those of the settings, and of the first few that the resolver lists.
    ``deploy``: also build data of some objects of each declaration.
    """
    aliases = chosen or list(conf.projects())
    if not (aliases or conf.options().PROJECT_RESOLVER):
        what = "CRAFTKIT_PROJECTS names a project"
        yield Finding(Check.PROJECTS, what, "it names none", "See manage.py check.")
    if not chosen and conf.options().PROJECT_RESOLVER:
        found, some = check_resolver()
        yield found
        aliases = [*aliases, *some]
    for alias in aliases:
        yield from check_project(alias)
    for alias in aliases:
        yield check_webhook_address(alias)
    yield from check_declarations(chosen)
    yield from check_missing(chosen)
    if deploy:
        yield from check_samples(chosen)
    yield Finding(Check.BROKER, *waking.probe())
    try:
        for alias in aliases:
            yield from check_embedding(alias)
        yield from check_work(aliases, is_all=not chosen)
    except Error as error:
        what = "the tables of Craftkit can be read"
        yield Finding(Check.TABLES, what, str(error), "Run manage.py migrate.")
