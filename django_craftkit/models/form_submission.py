"""What people have submitted by forms: Craftkit tells it once, and keeps nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.log import one_line
from django_craftkit.twins import in_thread

from .columns import NullableMoment, NullableUUID, RowKey
from .embed_session import EmbedSession
from .render import Render
from .source import Sourced, SourcedQuerySet

if TYPE_CHECKING:
    NullableVersion = models.PositiveIntegerField[int | None, int | None]


class FormSubmissionQuerySet(SourcedQuerySet["FormSubmission"]):
    """The submissions of all forms."""

    def for_object(self, source: models.Model) -> Self:
        """Return the submissions about an object, newest first; ``source`` is the object."""
        return self.for_objects([source]).order_by("-pk")


if TYPE_CHECKING:

    class FormSubmissionManager(  # type: ignore[misc]
        FormSubmissionQuerySet, models.Manager["FormSubmission"]
    ): ...

else:
    FormSubmissionManager = models.Manager.from_queryset(FormSubmissionQuerySet)


class FormSubmission(Sourced):
    """One form that somebody has filled in and submitted, read-only.

    Source: https://docs.craftkit.dev/api-reference/webhooks/collect-only-fill-submission-formsubmitted
    """

    project = models.CharField(_("project"), max_length=64, default=DEFAULT_PROJECT)
    #: Craftkit's id of the session that it was filled in by: an ``EmbedSession``'s ``remote_id``.
    session_id = models.UUIDField(_("embed session"), db_index=True)
    template = models.CharField(_("template"), max_length=120)
    version: NullableVersion = models.PositiveIntegerField(_("version"), null=True, blank=True)
    #: Craftkit's id of the document that was made of it; ``None`` where only data are collected.
    render_remote_id: NullableUUID = models.UUIDField(
        _("Craftkit's id of its document"), null=True, blank=True, db_index=True
    )
    #: That document, as soon as it is known here.
    render: RowKey[Render | None, Render | None] = RowKey(
        Render,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="form_submissions",
        verbose_name=_("document"),
    )
    #: By the template's keys, as a render takes them; ``None`` once they were erased or pruned.
    data: models.JSONField[Any, Any] = models.JSONField(_("data"), null=True, blank=True)
    #: What else Craftkit said of it, in its own words.
    answer = models.JSONField(_("answer"), default=dict, blank=True)
    #: As Craftkit says.
    submitted_at: NullableMoment = models.DateTimeField(_("submitted at"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), default=clock.now)
    #: Of the webhook, as it came: the same body is the same submission, however often it is sent.
    body_hash = models.CharField(_("SHA-256 of the body"), max_length=64, editable=False)
    #: Since when it holds nothing about people: see ``erasing.py``.
    erased_at: NullableMoment = models.DateTimeField(_("erased at"), null=True, blank=True)

    objects: ClassVar[FormSubmissionManager] = FormSubmissionManager()

    class Meta:
        verbose_name = _("form submission")
        verbose_name_plural = _("form submissions")
        constraints = [
            models.UniqueConstraint(
                fields=["body_hash", "project"], name="craftkit_submission_known"
            ),
        ]
        indexes = [
            models.Index(fields=["source_id", "source_type"], name="craftkit_submission_about"),
            models.Index(fields=["template", "-id"], name="craftkit_submission_template"),
            models.Index(fields=["project", "-id"], name="craftkit_submission_project"),
            # What retention goes by.
            models.Index(fields=["received_at"], name="craftkit_submission_age"),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.template} {self.pk}")

    @property
    def subject(self) -> models.Model:
        """What a document that is made of it is about: its source, itself where it has none."""
        return self.source or self

    @in_thread
    def asubject(self) -> models.Model:
        """Async version of ``subject``: a method."""
        return self.subject

    @property
    def session(self) -> EmbedSession | None:
        """The session that it was filled in by, with one query; ``None``: it is not known here."""
        rows = EmbedSession.objects.using(self._state.db).defer("renew_token")
        return rows.filter(project=self.project, remote_id=self.session_id).first()

    @in_thread
    def asession(self) -> EmbedSession | None:
        """Async version of ``session``: a method."""
        return self.session
