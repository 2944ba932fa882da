"""Craftkit's templates: what each takes, as Craftkit said when it was read last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.database import in_transaction
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.twins import async_twin

from .columns import prefix_index
from .job import Job
from .priority import Priority
from .project import ProjectState
from .rows import RowQuerySet

if TYPE_CHECKING:
    from .columns import NullableMoment, NullableUUID

    NullableVersion = models.PositiveIntegerField[int | None, int | None]

#: For how long after the templates of a project were listed they are not listed again, unless
#: somebody asks for it.
PAUSE = timedelta(minutes=1)


class TemplateQuerySet(RowQuerySet["Template"]):
    """The templates of all projects."""

    def known(self) -> Self:
        """Return the templates that Craftkit has, as far as is known here."""
        return self.filter(gone_at=None)

    def gone(self) -> Self:
        """Return the templates that were deleted at Craftkit."""
        return self.filter(gone_at__isnull=False)


if TYPE_CHECKING:

    class _Manager(TemplateQuerySet, models.Manager["Template"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(TemplateQuerySet)


class TemplateManager(_Manager):
    """The mirror of Craftkit's templates: workers read them, and write these rows."""

    def get_known(self, project: str, slug: str) -> Template | None:
        """Return a template as it was read last, with one query; ``None`` where none is known.

        That is also so for one that was deleted at Craftkit. Its ``manifest`` is that of
        ``version``, which Craftkit may have followed by another one since ``seen_at``.

        Args:
            project: an alias of ``CRAFTKIT_PROJECTS``.
            slug: as documents name the template, up to 120 characters.
        """
        rows = self.writer().known().filter(project=project, slug=slug)
        return rows.defer("description", "json_schema").first()

    aget_known = async_twin(get_known)

    @in_transaction
    @alters_data
    def refresh(self, project: str = "default") -> None:
        """Have a worker read the templates of a project anew now.

        It lists them with one call, and reads those that are new or that have changed. It returns
        at once; the rows change when the worker has read them.

        Source: https://docs.craftkit.dev/guides/verify-before-render

        Args:
            project: an alias of ``CRAFTKIT_PROJECTS``.
        """
        state = ProjectState.objects.of(project)
        states = ProjectState.objects.writer().filter(pk=state.pk)
        states.update(templates_read_at=None)
        Job.objects.request(Job.Kind.TEMPLATES, [state.pk], project)

    arefresh = async_twin(refresh)

    @in_transaction
    def refresh_soon(self, project: str) -> None:
        """Schedule that templates are read that are not what somebody took them for.

        In the transaction that notes why, if there is one. They are listed at most once in
        ``PAUSE``.
        """
        state = ProjectState.objects.of(project)
        jobs = Job.objects.writer().filter(kind=Job.Kind.TEMPLATES, object_id=state.pk)
        # One that waits begins after this, and reads what there is by then.
        if not jobs.filter(lease_token=None).exists():
            pks = [state.pk]
            at = state.templates_read_at and state.templates_read_at + PAUSE
            soon = clock.database_now() if at is None else max(at, clock.database_now())
            Job.objects.schedule(
                Job.Kind.TEMPLATES, pks, project, at=soon, priority=Priority.SINGLE
            )


class Template(models.Model):
    """A template of a Craftkit project, read-only: by its slug, with what it takes."""

    project = models.CharField(_("project"), max_length=64)
    #: What documents name.
    slug = models.CharField(_("slug"), max_length=120)
    #: Craftkit's id: who deletes a template and makes another at its slug gets another id.
    remote_id: NullableUUID = models.UUIDField(_("Craftkit's id"), null=True, blank=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    description = models.TextField(_("description"), blank=True)
    #: ``document``, ``pdf-overlay``, or one that is new to this version.
    template_type = models.CharField(_("type"), max_length=32, blank=True)
    #: Whether it has a version that can be rendered.
    published = models.BooleanField(_("published"), default=False)
    #: The number of the current version; empty while nothing is published.
    version: NullableVersion = models.PositiveIntegerField(_("version"), null=True, blank=True)
    #: What that version takes; empty while nothing is published, or where nobody could read it.
    manifest: models.JSONField[Any, Any] = models.JSONField(_("manifest"), null=True, blank=True)
    #: The same as JSON Schema, draft 07, as Craftkit words it.
    json_schema: models.JSONField[Any, Any] = models.JSONField(
        _("JSON Schema"), null=True, blank=True
    )
    #: As Craftkit says.
    created_at: NullableMoment = models.DateTimeField(_("created at"), null=True, blank=True)
    updated_at: NullableMoment = models.DateTimeField(_("updated at"), null=True, blank=True)
    #: By the database's clock, the moment before Craftkit was last asked.
    seen_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(
        _("last read"), default=clock.now
    )
    #: Since when Craftkit has it no longer.
    gone_at: NullableMoment = models.DateTimeField(_("gone since"), null=True, blank=True)

    objects: ClassVar[TemplateManager] = TemplateManager()

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        permissions = [
            ("refresh_template", _("Can have templates read anew")),
            ("design_template", _("Can design and publish templates in the builder")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="craftkit_template_slug"),
        ]
        indexes = [prefix_index("slug", "craftkit_template_begins")]

    def __str__(self) -> str:
        return one_line(self.slug)

    @property
    def is_gone(self) -> bool:
        """Whether it was deleted at Craftkit: no document can be made of it."""
        return self.gone_at is not None
