"""Objects that are there, and what their declarations would send of them: for the doctor."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import m2m_changed
from django.utils import translation

from django_craftkit import builders, conf
from django_craftkit.client import CraftkitError
from django_craftkit.data import check
from django_craftkit.declarations import declared
from django_craftkit.projects import get_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django_craftkit.client import Template
    from django_craftkit.data import Finding
    from django_craftkit.declarations import Declaration

#: Objects of a declaration that are tried, and that are looked at for some that it is for.
SAMPLES, LOOKED_AT = 3, 20


class Binding:
    """What became of the data of one object."""

    def __init__(
        self,
        declaration: Declaration,
        source: models.Model | None = None,
        *,
        findings: Sequence[Finding] = (),
        error: Exception | None = None,
    ) -> None:
        self.declaration, self.findings = declaration, findings
        #: ``None``: none could be read.
        self.source = source
        #: What a function raised; "": nothing.
        self.error = "" if error is None else f"{type(error).__name__}: {error}"

    @property
    def problem(self) -> str:
        errors = [str(one) for one in self.findings if one.level == "error"]
        return self.error or "; ".join(errors)

    @property
    def warnings(self) -> list[str]:
        return [str(one) for one in self.findings if one.level == "warning"]


def bindings(chosen: list[str] | None) -> Iterator[Binding]:
    """Build data of some objects of each declaration, and check them against its template.

    Nothing of it is stored or sent: what the functions write is rolled back. A snapshot's are left
    out, which are called with what its event says; and what Craftkit can't be asked about, which
    is told elsewhere.
    """
    templates: dict[tuple[str, str], Template | None] = {}
    # Several events may make the same documents of the same objects.
    several = {(one.identity, one.template, one.project): one for one in declared()}
    for declaration in several.values():
        if declaration.snapshot:
            continue
        try:
            sources = list(islice(_samples(declaration), SAMPLES))
        except Exception as error:
            # The project's own functions may raise anything, and what they raise is told.
            yield Binding(declaration, error=error)
            continue
        for source in sources:
            yield from _bind(declaration, source, chosen, templates)


def _samples(declaration: Declaration) -> Iterator[models.Model]:
    """Yield the newest objects that a declaration is for; raises what its functions raise."""
    rows = _rows(declaration)
    if rows is None:
        return
    for source in rows.order_by("-pk")[:LOOKED_AT]:
        if declaration.when is None or declaration.when(source):
            yield source


def _rows(declaration: Declaration) -> models.QuerySet[Any] | None:
    given = declaration.rows()
    if given is not None or declaration.signal is m2m_changed:
        return given
    found: list[type[models.Model]] = []
    declaration.with_sender(found.append)
    return found[0]._default_manager.all() if found and not found[0]._meta.abstract else None


def _bind(
    declaration: Declaration,
    source: models.Model,
    chosen: list[str] | None,
    templates: dict[tuple[str, str], Template | None],
) -> Iterator[Binding]:
    try:
        project = declaration.project_of(source)
        if chosen is not None and project not in chosen:
            return
        place = (project, declaration.template)
        if place not in templates:
            templates[place] = _read(*place)
        template = templates[place]
        if template is None or template.manifest is None:
            return
        if declaration.version not in (None, template.current_version_number):
            return
        data = _build(declaration, source)
    except Exception as error:
        # As above: the functions are the project's own.
        yield Binding(declaration, source, error=error)
        return
    if data is not None:
        strict = conf.options().STRICT_DATA
        found = check(data, template.manifest.to_json(), strict=strict)
        yield Binding(declaration, source, findings=found)


def _build(declaration: Declaration, source: models.Model) -> dict[str, Any] | None:
    using = source._state.db or "default"
    with translation.override(settings.LANGUAGE_CODE), transaction.atomic(using=using):
        try:
            built = builders.call(declaration, source, {}, using=using)
        except builders.NotConfirmed:
            built = None
        transaction.set_rollback(True, using=using)
    return None if built is None else built.data


def _read(project: str, slug: str) -> Template | None:
    try:
        return get_client(project, max_retries=0).templates.get(slug)
    except CraftkitError:
        return None  # the doctor tells of it by itself
