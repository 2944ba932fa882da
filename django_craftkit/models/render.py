"""A document: what was asked for, and what became of it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import database, insert_or_get, lock, storable
from django_craftkit.projects import get_client

from .change import Change
from .mirror import Mirror, check_data, check_key, check_template, check_version, hash_key
from .source import Sourced, about
from .work import Job, ProjectState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AbstractBaseUser

    from .share import Share


class KeyConflict(ValueError):
    """The key already stands for another document."""


class RenderFailed(Exception):
    """The document ended without a PDF; ``render`` says why."""

    def __init__(self, render: Render) -> None:
        why = f": {render.error}" if render.error else ""
        super().__init__(f"{render} is {render.status}{why}")
        self.render = render


#: What ``prefetch_for`` leaves on an object: its documents, newest first.
PREFETCHED = "_craftkit_renders"


class RenderQuerySet(models.QuerySet[Any]):
    def for_object(self, source: models.Model) -> Self:
        """Return the documents about an object, newest first."""
        type_id, pk = about(source)
        return self.filter(source_type=type_id, source_id=pk).order_by("-requested_at", "-pk")

    def prefetch_for(self, objects: Iterable[models.Model]) -> None:
        """Read what the template tags show of many objects: two queries, however many."""
        from .share import Share

        sources = {about(one): one for one in objects if one.pk is not None}
        by_type: dict[int, list[str]] = {}
        for type_id, pk in sources:
            by_type.setdefault(type_id, []).append(pk)
        wanted = models.Q(pk__in=[])
        for type_id, pks in by_type.items():
            wanted |= models.Q(source_type=type_id, source_id__in=pks)
        links = models.Prefetch("shares", Share.objects.to_hand_out(), to_attr="open_links")
        renders = self.filter(wanted).order_by("-requested_at", "-pk")
        for one in sources.values():
            setattr(one, PREFETCHED, [])
        for render in renders.defer("data", "answer").prefetch_related(links):
            getattr(sources[render.source_type_id, render.source_id], PREFETCHED).append(render)

    def under_way(self) -> Self:
        return self.exclude(status__in=FINAL)

    def overdue(self) -> Self:
        limit = clock.now() - timedelta(seconds=conf.options().OVERDUE_AFTER)
        return self.under_way().filter(attempted_at__lt=limit)

    def request(
        self,
        template: str,
        data: dict[str, Any],
        *,
        source: models.Model | None = None,
        key: str | None = None,
        project: str = conf.DEFAULT_PROJECT,
        version: int | None = None,
        user: AbstractBaseUser | None = None,
        wait: bool = False,
    ) -> Render:
        """Ask for a document and return its row at once; the same key gets the same row.

        ``template`` is a slug, ``data`` what its manifest asks for, ``version`` a published
        version to pin. Without a ``key``, what it is about is the key: template and ``source``,
        or template and data. ``wait=True`` carries it out before returning, outside of any
        transaction, and leaves what is not ready in 30 seconds to the worker.

        Raises ``KeyConflict`` where the key stands for another template or source, ``ValueError``
        or ``TypeError`` for data that aren't JSON, ``UnknownProject`` for a project that is not
        configured.
        """
        conf.project(project)
        if wait:
            dispatch.refuse_transaction()
        render = self.model(
            project=project,
            template=template,
            version=version,
            data=check_data(data),
            requested_by=user,
        )
        render = self._ask(render, source, key)
        if wait:
            render._carry_out()
        return render

    def declare(
        self,
        template: str,
        data: dict[str, Any] | None,
        *,
        builder: str,
        build_error: str,
        source: models.Model | None,
        key: str,
        project: str,
    ) -> Render:
        """Ask for a document whose data the function ``builder`` makes, for ``render_on``.

        ``data`` are those that it has made already; ``build_error`` is what it raised.
        """
        render = self.model(
            project=project,
            template=template,
            data=data,
            # Data that were made in time stay as they are; a retry doesn't make them anew.
            builder=builder if data is None else "",
            error=storable(build_error),
            error_code=BUILDER_FAILED if build_error else "",
        )
        return self._ask(render, source, key)

    def _ask(self, render: Render, source: models.Model | None, key: str | None) -> Render:
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the event.
        check_template(render.template)
        check_version(render.version)
        if source is not None:
            render.set_source(source)
        render.key = check_key(key or _default_key(render, source))
        render.key_hash = hash_key(render.key)
        return self._store(render)

    def _store(self, render: Render) -> Render:
        using = database()
        same_key = self.model._default_manager.using(using).filter(
            project=render.project, key_hash=render.key_hash
        )
        known: Render | None = same_key.first()
        if known is not None and known.is_unbuilt:
            known = self._ask_again(same_key)
        if known is None:
            with transaction.atomic(using=using, savepoint=False):
                render = insert_or_get(render, "project", "key_hash")
                Job.objects.start(KIND, render.pk, render.project)
                dispatch.wake_on_commit(using)
            return render
        known.check_same(render)
        return known

    def _ask_again(self, same_key: models.QuerySet[Render]) -> Render | None:
        """Have data made from what is saved now; ``None`` where there was nothing to render."""
        using = database()
        with transaction.atomic(using=using, savepoint=False):
            known = lock(same_key).first()
            if known is not None:
                Job.objects.wish(KIND, [known.pk], known.project)
                dispatch.wake_on_commit(using)
        return known


def _default_key(render: Render, source: models.Model | None) -> str:
    if source is not None:
        concrete = source._meta.concrete_model or type(source)
        return f"{render.template}:{concrete._meta.label_lower}:{source.pk}"
    text = json.dumps(render.data, cls=DjangoJSONEncoder, sort_keys=True)
    return f"{render.template}:{hashlib.sha256(text.encode()).hexdigest()}"


class Render(Sourced, Mirror):
    """A document that was asked for: one row for one key, whatever happens on the way."""

    class Status(models.TextChoices):
        PENDING = "pending", _("pending")
        QUEUED = "queued", _("queued")
        RENDERING = "rendering", _("rendering")
        SUCCEEDED = "succeeded", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        REJECTED = "rejected", _("rejected")

    template = models.CharField(_("template"), max_length=120)
    version = models.PositiveIntegerField(_("version"), null=True, blank=True)
    key = models.CharField(_("key"), max_length=255)
    key_hash = models.CharField(max_length=64, editable=False)
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    attempted_at = models.DateTimeField(_("attempt began at"), default=clock.now)
    #: When this attempt was first sent, by the database's clock.
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    #: The ``render_on`` function that makes the data, by its dotted name.
    builder = models.CharField(_("builder"), max_length=255, blank=True)
    #: ``None`` until they are built.
    data = models.JSONField(_("data"), null=True, blank=True, encoder=DjangoJSONEncoder)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)

    objects: ClassVar[models.Manager[Render]] = RenderQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        permissions = [("retry_render", _("Can retry a document"))]
        constraints = [
            models.UniqueConstraint(fields=["project", "key_hash"], name="craftkit_render_key"),
        ]
        indexes = [
            models.Index(
                fields=["source_type", "source_id", "-requested_at"], name="craftkit_render_source"
            ),
            models.Index(fields=["status", "-requested_at"], name="craftkit_render_status"),
            models.Index(fields=["-requested_at", "-id"], name="craftkit_render_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.key}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in FINAL

    @property
    def is_unbuilt(self) -> bool:
        """Whether its data are still to be made, from what is saved by then."""
        return self.status == self.Status.PENDING and self.data is None

    @property
    def is_overdue(self) -> bool:
        """Whether it has been under way for longer than ``CRAFTKIT["OVERDUE_AFTER"]``."""
        limit = timedelta(seconds=conf.options().OVERDUE_AFTER)
        return not self.is_final and clock.now() - self.attempted_at > limit

    def check_same(self, other: Render) -> None:
        """Raise ``KeyConflict`` where another document is asked for under this one's key."""
        if self.template != other.template:
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document of the template "
                f"{self.template!r}, so it can't be one of {other.template!r}. "
                "A new document wants a new key."
            )
        mine = (self.source_type_id, self.source_id)
        if mine != (other.source_type_id, other.source_id):
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document about another object "
                f"({self.source_type} {self.source_id}). A new document wants a new key."
            )

    def retry(
        self, data: dict[str, Any] | None = None, *, user: AbstractBaseUser | None = None
    ) -> bool:
        """Start the next attempt of a failed, rejected or cancelled document.

        A declared document builds its data anew; others go with ``data``, or with what they had.
        Returns ``False`` where there is nothing to retry (a double click, say).
        """
        using = database()
        with transaction.atomic(using=using):
            row = lock(Render.objects.using(using)).get(pk=self.pk)
            if row.status not in FINAL or row.status == self.Status.SUCCEEDED:
                return False
            previous = row.status
            row.attempt += 1
            row.attempted_at = clock.now()
            row.status = self.Status.PENDING
            row.remote_id = row.sent_at = row.accepted_at = row.completed_at = None
            row.answer, row.error, row.error_code, row.field_errors = {}, "", "", {}
            if data is not None:
                row.data = check_data(data)
            elif row.builder:
                row.data = None
            row.save(using=using)
            Change.objects.using(using).create(
                kind=KIND,
                object_id=row.pk,
                attempt=row.attempt,
                from_status=previous,
                to_status=row.status,
                cause=Change.Cause.ASKED,
                person=cast("Any", user),
            )
            Job.objects.wish(KIND, [row.pk], row.project)
            dispatch.wake_on_commit(using)
        self.refresh_from_db(using=using)
        return True

    def share(
        self,
        *,
        message: str = "",
        expires_at: datetime | None = None,
        channel: str = "link",
        recipient_email: str = "",
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: bool = False,
    ) -> Share:
        """Ask for a link to the document; it is made as soon as the document is ready.

        ``message`` has at most 2,000 characters, ``expires_at`` is an aware moment (``None``:
        never). The same ``key`` gets the same link; without one each call makes another.
        ``channel="email"`` records for whom the link is (nothing is mailed) and needs
        ``recipient_email``. ``wait=True`` carries it out before returning.
        """
        from .share import Share

        return Share.objects.ask(
            self,
            message=message,
            expires_at=expires_at,
            channel=channel,
            recipient_email=recipient_email,
            key=key,
            user=user,
            wait=wait,
        )

    def open(self) -> BinaryIO:
        """Return the PDF as a binary file object that streams from Craftkit.

        Raises ``RenderFailed`` where there is none, and the client's errors.
        """
        if self.status != self.Status.SUCCEEDED or self.remote_id is None:
            raise RenderFailed(self)
        return cast("BinaryIO", get_client(self.project).renders.download(self.remote_id))

    def refresh(self) -> None:
        """Ask Craftkit for the document's status soon; a final status stays."""
        using = database()
        with transaction.atomic(using=using):
            Job.objects.wish(KIND, [self.pk], self.project)
            dispatch.wake_on_commit(using)

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this document now, for up to ``timeout`` seconds."""
        dispatch.carry_out(KIND, self.pk, timeout=timeout, until=lambda: self._is_there())

    def _is_there(self) -> bool:
        self.refresh_from_db(using=database())
        return self.is_final

    def wait(self, timeout: float = 30.0) -> Self:
        """Return when the document is ready, for scripts and shells; outside of a transaction.

        ``timeout`` is in seconds. Raises ``RenderFailed`` where it ended without a PDF and
        ``TimeoutError`` where it has not ended; the worker goes on with it.
        """
        dispatch.refuse_transaction()
        self._carry_out(timeout)
        if not self.is_final:
            paused = ProjectState.objects.using(database()).paused().filter(project=self.project)
            why = "".join(f" Its project is paused: {state.pause_reason}" for state in paused)
            raise TimeoutError(f"{self} is still {self.status}, {timeout:g} s were given.{why}")
        if self.status != self.Status.SUCCEEDED:
            raise RenderFailed(self)
        return self


KIND = "render"
BUILDER_FAILED = "builder_failed"
FINAL = frozenset(
    {
        Render.Status.SUCCEEDED,
        Render.Status.FAILED,
        Render.Status.CANCELLED,
        Render.Status.REJECTED,
    }
)
