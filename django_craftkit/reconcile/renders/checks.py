"""A document's data checked against its template, as it was read last, before they are sent.

What is found wrong by a description that may have changed since decides nothing: the template is
read anew first. What can't be judged is left to Craftkit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit import conf, tenants
from django_craftkit.client import CraftkitError
from django_craftkit.data import check, codes_of
from django_craftkit.data.manifest import Fields, read
from django_craftkit.failures import time_limits
from django_craftkit.log import about, get_logger
from django_craftkit.models import Template
from django_craftkit.models.problems import ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile.results import Paused, result_of
from django_craftkit.reconcile.states import RemoteState

from .states import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django_craftkit.data import Finding
    from django_craftkit.models import Render

logger = get_logger(__name__)

#: Warnings that were logged by this process: once for a place of a tenant's template, and so many.
_WARNED: set[tuple[str, str, str, str, str]] = set()
MOST_WARNED = 1_000


def unfit(renders: Sequence[Render]) -> set[int]:
    """Return the keys of documents whose data don't fit, as far as is known here: one query."""
    new = [render for render in renders if render.sent_at is None]
    if not new:
        return set()
    rows = (
        Template.objects.writer()
        .known()
        .filter(
            project__in={render.project for render in new},
            slug__in={render.template for render in new},
            manifest__isnull=False,
        )
    )
    known = {
        (row.project, row.slug): (row.version, read(row.manifest))
        for row in rows.only("project", "slug", "version", "manifest")
    }
    found = set()
    for render in new:
        version, fields = known.get((render.project, render.template), (None, None))
        if fields is not None and render.version in (None, version):
            findings = _check(render, fields)
            _warn(render, findings)
            if codes_of(findings):
                found.add(render.pk)
    return found


def refusal(render: Render) -> RemoteState | None:
    """Return why a document can't be sent, by its template as Craftkit has it now.

    ``None``: it fits, or Craftkit is to judge it. Raises what pauses the project.
    """
    if render.pk not in unfit([render]):
        return None
    try:
        said = get_client(render.project, max_retries=0).templates.get(render.template)
    except CraftkitError as error:
        if isinstance(result_of(error), Paused):
            raise
        logger.warning(
            "Template %s could not be read: %s", render.template, error, extra=about(render)
        )
        return None
    if said.manifest is None or render.version not in (None, said.current_version_number):
        return None
    errors = codes_of(_check(render, read(said.manifest.to_json())))
    if not errors:
        # What is known here is out of date.
        Template.objects.refresh_soon(render.project)
        return None
    return RemoteState.decided(Status.REJECTED, Problem(ErrorCode.INVALID_DATA), errors)


def _check(render: Render, fields: Fields) -> list[Finding]:
    try:
        return check(render.data or {}, fields, strict=conf.options().STRICT_DATA)
    except time_limits():
        raise
    except Exception:
        # A mistake of ours: Craftkit judges them as well.
        logger.exception(
            "The data of document %d could not be checked.", render.pk, extra=about(render)
        )
        return []


def _warn(render: Render, findings: Iterable[Finding]) -> None:
    """Log what Craftkit drops, or may print otherwise: no value, and each place once a process."""
    for one in findings:
        place: Any = (tenants.current(), render.project, render.template, one.path, one.code)
        if one.level == "warning" and place not in _WARNED and len(_WARNED) < MOST_WARNED:
            _WARNED.add(place)
            logger.warning(
                "Data for template %s of project %r: %s at %s, in document %d first.",
                render.template,
                render.project,
                one.code,
                one.where or "the whole",
                render.pk,
                extra=about(render),
            )
