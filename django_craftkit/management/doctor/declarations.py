"""What declarations name and make, compared with settings, the business and the templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit import credentials
from django_craftkit.declarations import declared
from django_craftkit.management.missing import expecting
from django_craftkit.management.samples import bindings

from .finding import Check, Finding, named

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Objects without a document that are counted.
MOST_MISSING = 1000


def check_declarations(chosen: list[str] | None) -> Iterator[Finding]:
    aliases = {one.project for one in declared() if isinstance(one.project, str)}
    missing = {alias for alias in aliases if not credentials.has_project(alias)}
    for alias in sorted(missing if chosen is None else missing & set(chosen)):
        names = named(one for one in declared() if one.project == alias)
        yield Finding(
            Check.DECLARED_PROJECT,
            f"the project {alias} of declarations is configured",
            "there is no such project, so their documents wait for ever",
            f"Add it, or mend project= in the declaration: {names}.",
            project=alias,
        )


def check_missing(chosen: list[str] | None) -> Iterator[Finding]:
    """Yield how many objects that should have a document have none, up to ``MOST_MISSING``."""
    for one in expecting(chosen):
        what = f"what {one.name} is declared for has documents of the template {one.template}"
        try:
            rows = one.missing()
            number = 0 if rows is None else rows.order_by()[: MOST_MISSING + 1].count()
        except Exception as error:
            # The project's own function may raise anything.
            problem = f"{type(error).__name__}: {error}"
            yield Finding(Check.MISSING_DOCUMENTS, what, problem, f"Mend queryset= at {one.place}.")
            continue
        shown = f"more than {MOST_MISSING}" if number > MOST_MISSING else str(number)
        yield Finding(
            Check.MISSING_DOCUMENTS,
            what,
            f"{shown} objects have none" if number else "",
            "Ask for them with craftkit_sync --missing, or mend queryset= in the declaration: "
            f"{named([one])}.",
        )


def check_samples(chosen: list[str] | None) -> Iterator[Finding]:
    """Yield whether the data of some objects fit the templates of their declarations."""
    for one in bindings(chosen):
        declaration = one.declaration
        whose = "its objects" if one.source is None else f"{one.source!r:.80}"
        what = f"{declaration.name}: the data of {whose} fit {declaration.template}"
        if one.warnings and not one.problem:
            what += f", but {'; '.join(one.warnings)}"
        fix = f"Mend the function at {declaration.place}, or the template."
        yield Finding(Check.SAMPLE_DATA, what, one.problem, fix)
