"""Templates: listed with one call, and read one by one where they are new or have changed.

Rows say what Craftkit said last, by when it was asked: an answer that comes late, from a worker
that was taken for dead say, changes nothing that was read after it was asked for.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q

from django_craftkit import bulk, conf, credentials
from django_craftkit.client import CraftkitError, InvalidResponse, NotFound
from django_craftkit.clock import database_now
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.database import database, in_transaction, lock, sanitized, update_many
from django_craftkit.log import about, get_logger
from django_craftkit.models import Job, ProjectState, Template
from django_craftkit.models.problems import ErrorCode, StepError
from django_craftkit.models.template import PAUSE
from django_craftkit.projects import get_client

from .answers import SKEW, warn_of_unreadable
from .moments import from_utc
from .results import Done, Later, Reschedule, Result
from .states import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django_craftkit import client

    #: What was said of a template, and the moment before it was asked for; ``None``: it is gone.
    Read = tuple[datetime, client.Template | None]

logger = get_logger(__name__)

#: How long after the templates of a project were listed a sweep has them listed again.
EVERY = timedelta(hours=1)
#: Projects whose turn begins in one minute, at most.
MOST_DUE = 200
#: Templates that are written together.
TOGETHER = 20
#: What a slug may be: no two of these are one to the database.
#: Source: https://docs.craftkit.dev/api-reference/create-template
SLUG = re.compile(r"[a-z0-9][-_.a-z0-9]{0,119}")
#: What is written of one that was read.
COLUMNS = (
    "remote_id",
    "name",
    "description",
    "template_type",
    "published",
    "version",
    "manifest",
    "json_schema",
    "created_at",
    "updated_at",
    "seen_at",
    "gone_at",
)


def schedule_due(now: datetime) -> None:
    """Write the jobs that read the templates of projects whose last turn was an hour ago.

    Of the resolver's, those that it lists and that were used here. They take turns: thousands at
    once would hold up documents.
    """
    try:
        aliases = set(credentials.project_aliases())
    except ProjectUnavailable as error:
        logger.warning("Templates wait for their turn: %s", error)
        aliases = set(conf.projects())
    jobs = Job.objects.writer().filter(kind=Job.Kind.TEMPLATES, object_id=OuterRef("pk"))
    states = ProjectState.objects.writer().filter(
        Q(templates_read_at=None) | ~Q(templates_read_at__range=(now - EVERY, now)),
        ~Exists(jobs),
        capability="",
    )
    due = states.order_by(F("templates_read_at").asc(nulls_first=True), "pk")
    usable = (
        (pk, project)
        for pk, project in due.values_list("pk", "project")
        if project in aliases and (project not in conf.projects() or has_key(project))
    )
    for pk, project in islice(usable, MOST_DUE):
        # One that is there by now goes on as it is: it may have failed, and wait.
        Job.objects.restore(Job.Kind.TEMPLATES, [pk], project)


def has_key(alias: str) -> bool:
    """Whether a project can be called: a site without a key has still to be set up."""
    try:
        return bool(credentials.project(alias).api_key)
    except (ImproperlyConfigured, ProjectUnavailable):
        return False  # who makes a document is told


def step(job: Job) -> Result:
    """Read what is new in the templates of a project, for a part of the lease."""
    end = time.monotonic() + conf.options().LEASE / 4
    state = ProjectState.objects.writer().filter(pk=job.object_id).first()
    if state is None:
        return Done()
    asked_at = database_now()
    since = None if state.templates_read_at is None else asked_at - state.templates_read_at
    if since is not None and timedelta(0) <= since < PAUSE:
        return Later((PAUSE - since).total_seconds())
    craftkit = get_client(job.project, max_retries=0)
    listed = craftkit.templates.list()
    is_whole = not warn_of_unreadable("templates", job.project, listed)
    summaries = {said.slug: said for said in reversed(listed) if SLUG.fullmatch(said.slug)}
    if odd := len(listed) - len(summaries):
        logger.warning(
            "%d templates of project %r have no slug of their own.",
            odd,
            job.project,
            extra=about(job),
        )
    changed = _note_listed(state, asked_at, summaries, is_whole)
    return _Reading(state, craftkit).read(changed, end)


@in_transaction
def _note_listed(
    state: ProjectState,
    asked_at: datetime,
    summaries: Mapping[str, client.TemplateSummary],
    is_whole: bool,
) -> list[str]:
    """Note which templates there are, and which are gone; return which are to be read."""
    _lock(state)
    states = ProjectState.objects.writer().filter(pk=state.pk)
    # Unless somebody has had them read anew meanwhile: that is still to come.
    states.filter(templates_read_at=state.templates_read_at).update(templates_read_at=asked_at)
    gone, same = [], []
    changed = dict(summaries)
    for row in _rows(state):
        said = summaries.get(row.slug)
        if row.seen_at > asked_at:
            changed.pop(row.slug, None)
        elif said is None:
            gone.append(row.pk)
        elif _is_older(row, said, asked_at) or _is_same(row, said):
            changed.pop(row.slug)
            same.append(row.pk)
    if is_whole:
        left = Template.objects.known().filter(pk__in=gone).using(database())
        if number := left.update(gone_at=asked_at):
            logger.info(
                "%d templates of project %r are gone.", number, state.project, extra=about(state)
            )
    if same:
        bulk.update_by_pk(Template, same, database(), seen_at=asked_at, gone_at=None)
    # Craftkit names those first that were changed last.
    return list(reversed(changed))


class _Reading:
    """Reads templates one by one, and writes them together."""

    def __init__(self, state: ProjectState, craftkit: client.Craftkit) -> None:
        self._state, self._client = state, craftkit
        self._read: dict[str, Read] = {}

    def read(self, slugs: list[str], end: float) -> Result:
        """Read these templates until ``end``, and say when to go on; at least one of them.

        Raises what keeps them from being read, once what was read is written: at once where it
        may keep the others, too, and after them where one can't be read.
        """
        odd: Exception | None = None
        for number, slug in enumerate(slugs):
            if number and time.monotonic() > end:
                self._write()
                return Reschedule(PAUSE.total_seconds(), answered=True)
            try:
                self._read_one(slug)
            except (InvalidResponse, StepError) as error:
                logger.warning(
                    "The template %r can't be read: %s", slug, error, extra=about(self._state)
                )
                odd = odd or error
            except CraftkitError:
                self._write()
                raise
            if len(self._read) >= TOGETHER:
                self._write()
        self._write()
        if odd is not None:
            raise odd
        return Done(answered=True)

    def _read_one(self, slug: str) -> None:
        asked_at = database_now()
        try:
            said = self._client.templates.get(slug)
        except NotFound as error:
            if error.is_passing:
                raise
            # It was deleted after it was listed.
            self._read[slug] = asked_at, None
            return
        if said.slug != slug:
            raise StepError(ErrorCode.OTHER_ANSWERED, said.slug)
        self._read[slug] = asked_at, said

    def _write(self) -> None:
        if self._read:
            _apply(self._state, self._read)
            self._read = {}


@in_transaction
def _apply(state: ProjectState, read: Mapping[str, Read]) -> None:
    """Write what was read, but for what another worker has asked for since."""
    _lock(state)
    known = {row.slug: row for row in _rows(state).filter(slug__in=list(read))}
    new, changed, kept = [], [], []
    for slug, (asked_at, said) in read.items():
        row = known.get(slug)
        if row is not None and row.seen_at > asked_at:
            continue
        if said is None:
            if row is not None:
                row.gone_at = row.gone_at or asked_at
                kept.append(row)
            continue
        values = _values(said, asked_at)
        is_unreadable = values["published"] and values["manifest"] is None
        if is_unreadable:
            logger.warning(
                "The manifest of template %r in project %r can't be read.",
                slug,
                state.project,
                extra=about(state),
            )
        if row is None:
            new.append(Template(project=state.project, slug=slug, **values))
        elif _is_older(row, said, asked_at) or (is_unreadable and _has_one(row, said)):
            # The last manifest that could be read stays, and the version that it is of.
            row.seen_at, row.gone_at = asked_at, None
            kept.append(row)
        else:
            for name, value in values.items():
                setattr(row, name, value)
            changed.append(row)
    if new:
        bulk.insert(new, database())
    update_many(changed, COLUMNS)
    update_many(kept, ["seen_at", "gone_at"])


def _lock(state: ProjectState) -> None:
    """Have others wait who write templates of the same project."""
    lock(ProjectState.objects.writer()).filter(pk=state.pk).values("pk").first()


def _rows(state: ProjectState) -> Any:
    """Return the templates of a project without what they take, and whether that is known."""
    has_manifest = ExpressionWrapper(Q(manifest__isnull=False), BooleanField())
    rows = Template.objects.writer().filter(project=state.project)
    return rows.annotate(has_manifest=has_manifest).defer("manifest", "json_schema", "description")


def _values(said: client.Template, asked_at: datetime) -> dict[str, Any]:
    manifest = None if said.manifest is None else sanitized(said.manifest.to_json())
    return {
        "name": sanitized(said.name)[:255],
        "description": sanitized(said.description or ""),
        "template_type": sanitized(said.template_type)[:32],
        "manifest": manifest,
        "json_schema": sanitized(said.json_schema),
        "created_at": from_utc(said.created_at),
        "seen_at": asked_at,
        "gone_at": None,
        **_current(said),
    }


def _current(said: client.TemplateSummary) -> dict[str, Any]:
    """Return the columns by which what is listed is told from what was read."""
    number = said.current_version_number
    return {
        "remote_id": said.id,
        "version": None if number is None else min(number, MAX_COUNT),
        "published": number is not None if said.published is None else said.published,
        "updated_at": from_utc(said.updated_at),
    }


def _is_same(row: Any, said: client.TemplateSummary) -> bool:
    """Whether a template was read as it is listed, with its manifest."""
    is_read = row.has_manifest or not row.published
    return is_read and all(getattr(row, name) == value for name, value in _current(said).items())


def _has_one(row: Any, said: client.TemplateSummary) -> bool:
    """Whether a manifest of the same template is known; one of its predecessor's is of no use."""
    return bool(row.has_manifest) and row.remote_id == said.id


def _is_older(row: Template, said: client.TemplateSummary, now: datetime) -> bool:
    """Whether something newer was said of the same template: by another server of Craftkit's, say.

    What is said to be of the future was a mistake, and holds nothing up.
    """
    before, updated_at = row.updated_at, from_utc(said.updated_at)
    if row.remote_id != said.id or before is None or updated_at is None:
        return False
    return updated_at < before <= now + SKEW
