"""A document: what was asked for, and what became of it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple, NoReturn, Self, cast

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models, transaction
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import (
    IsCurrent,
    again_after_deadlock,
    database,
    in_transaction,
    insert_or_get,
    lock,
    storable,
    update_many,
)
from django_craftkit.log import get_logger, one_line
from django_craftkit.projects import get_client, patience
from django_craftkit.statements import Lookup

from .archive import ArchivedFile
from .arguments import (
    check_data,
    check_key,
    check_template,
    check_user,
    check_version,
    hash_key,
    may_wait,
)
from .change import Change
from .default_key import default_key, earlier_key, known_by_label
from .identity import Identity, any_of, identify_if_known
from .mirror import SHOWN_FOR, Mirror
from .priority import Priority, check_priority
from .source import Sourced
from .work import Job, ProjectState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from django.contrib.auth.models import AbstractBaseUser

    from django_craftkit.signing import AnchorTag, Recipient, SignatureField

    from .share import Share
    from .signature import SignatureRequest


logger = get_logger(__name__)


class KeyConflict(ValueError):
    """The key already stands for something else.

    ``differences`` names what differs, where a signature request or an e-mail is asked for:
    ``recipients[0].last_name``, say.
    """

    def __init__(self, message: str, *, differences: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.differences = tuple(differences)


class RenderWithdrawn(ValueError):
    """The document was taken back: it goes to nobody any more."""


class RenderFailed(Exception):
    """The document ended without a PDF; ``render`` says why."""

    def __init__(self, render: Render) -> None:
        why = f": {render.error}" if render.error else ""
        super().__init__(f"{render} is {render.status}{why}")
        self.render = render


class NothingToRender(RenderFailed):
    """There is no document: the function that makes its data returned ``None``."""


class Withdrawn(NamedTuple):
    """Which documents were taken back, and what comes to its end with them."""

    pks: set[int]
    ending: list[Share | SignatureRequest]


#: What the next attempt begins with.
_OF_ATTEMPT = (
    "attempt",
    "attempted_at",
    "updated_at",
    "status",
    "remote_id",
    "sent_at",
    "sending_since",
    "unconfirmed_since",
    "accepted_at",
    "completed_at",
    "answer",
    "error",
    "error_code",
    "field_errors",
    "withdrawn_at",
    "withdrawn_by",
)

#: What ``prefetch_for`` leaves on an object: its documents, newest first.
PREFETCHED = "_craftkit_renders"


class RenderQuerySet(models.QuerySet[Any]):
    """The documents: to ask for one, and to find them."""

    def for_object(self, source: models.Model) -> Self:
        """Return the documents about an object, newest first; ``source`` is the object."""
        known = identify_if_known(source)
        rows = self.none() if known is None else self.filter(known.rows)
        return rows.order_by("-requested_at", "-pk")

    def for_objects(self, objects: Iterable[models.Model]) -> Self:
        """Return the documents about any of these objects, of whatever models; none are read."""
        known = (identify_if_known(one) for one in objects)
        return self.filter(any_of(one for one in known if one is not None))

    def prefetch_for(self, objects: Iterable[models.Model]) -> None:
        """Read what the template tags show of many ``objects``: four queries, however many.

        The third and the fourth are about signature requests and who is to sign them. All read
        the database that ``using()`` names, if it was called.
        """
        from .share import Share
        from .signature import SignatureRecipient, SignatureRequest

        sources: dict[Identity, list[models.Model]] = {}
        for one in objects:
            if one.pk is not None:
                setattr(one, PREFETCHED, [])
                if (known := identify_if_known(one)) is not None:
                    sources.setdefault(known, []).append(one)
        using: str | None = cast("Any", self)._db
        shares = Share.objects.using(using).to_hand_out()
        links = models.Prefetch("shares", shares, to_attr="open_links")
        people = models.Prefetch("recipients", SignatureRecipient.objects.using(using).all())
        asked = SignatureRequest.objects.using(using).defer("fields", "anchor_tags", "answer")
        requests = models.Prefetch(
            "signature_requests",
            asked.order_by("-requested_at", "-pk").prefetch_related(people),
            to_attr="newest_requests",
        )
        by_row = {row: ones for known, ones in sources.items() for row in known.columns}
        renders = self.filter(any_of(sources)).order_by("-requested_at", "-pk")
        for render in renders.defer("data", "answer").prefetch_related(links, requests):
            for one in by_row.get(render.source_columns, ()):
                getattr(one, PREFETCHED).append(render)

    def under_way(self) -> Self:
        """Return the documents that are still coming: pending, queued or rendering."""
        # Named, not excluded: an index finds a few statuses, and none that is left out.
        return self.filter(status__in=UNDER_WAY)

    def overdue(self) -> Self:
        """Return the documents that are under way for longer than ``OVERDUE_AFTER``.

        What a pause holds up is not late by itself: there is none while everything, or its
        project, is paused, nor while the project catches up.
        """
        options = conf.options()
        if options.PAUSED:
            return self.none()
        limit = clock.now() - timedelta(seconds=options.OVERDUE_AFTER)
        excused = ProjectState.objects.excused().filter(capability="").values("project")
        return self.under_way().filter(attempted_at__lt=limit).exclude(project__in=excused)

    def held(self) -> Self:
        """Return the documents that aren't sent because their project, or everything, is paused."""
        waiting = self.filter(status=Render.Status.PENDING)
        if conf.options().PAUSED:
            return waiting
        return waiting.filter(ProjectState.objects.paused_rows(ProjectState.Capability.WHOLE))

    def failed_since(self, moment: datetime) -> Self:
        """Return the documents that failed or were rejected, and changed at ``moment`` or later.

        ``moment`` is aware, where ``USE_TZ`` is on.
        """
        return self.filter(
            status__in=(Render.Status.FAILED, Render.Status.REJECTED), updated_at__gte=moment
        )

    def needing_action(self) -> Self:
        """Return the documents that failed or were rejected in the last 30 days.

        Not those that somebody has tried again or withdrawn since.
        """
        return self.failed_since(clock.now() - SHOWN_FOR).filter(withdrawn_at=None)

    def request(
        self,
        template: str,
        data: dict[str, Any],
        *,
        source: models.Model | None = None,
        key: str | None = None,
        project: str = conf.DEFAULT_PROJECT,
        version: int | None = None,
        priority: str = "single",
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Render:
        """Ask for a document and return its row at once; the same key gets the same row.

        ``template`` is a slug, ``data`` what its manifest asks for, ``version`` a published
        version to pin. Without a ``key``, what it is about is the key: template and ``source``,
        or template and data. ``wait`` carries it out before returning, outside of any transaction,
        for that many seconds at most (``True``: 30); what is not ready by then is the worker's.
        ``priority="bulk"`` lets single documents go first: this one, and all that follows from it
        (its links, e-mails, signature requests and signals). Asked for once more as ``"single"``,
        a bulk document becomes one. ``user`` is who the history says asked for it, ``project`` an
        alias of the settings.

        Raises ``KeyConflict`` where the key stands for another template or source, ``ValueError``
        or ``TypeError`` for data that aren't JSON and for another word of priority,
        ``UnknownProject`` for a project that is not configured.
        """
        conf.project(project)
        timeout = may_wait(wait)
        render = self.model(
            project=project,
            template=template,
            version=version,
            data=check_data(data),
            priority=check_priority(priority),
            requested_by=cast("Any", check_user(user)),
        )
        render = self._ask(render, source, key, earlier=lambda: earlier_key(template, data))
        if timeout:
            render._carry_out(timeout)
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
        priority: str = "single",
        complete: Callable[[Render], None] | None = None,
        saved_in: str | None = None,
    ) -> Render:
        """Ask for a document whose data the function ``builder`` makes, for ``render_on``.

        ``data`` are those that it has made already; ``build_error`` is what it raised. Where the
        document is a new one, ``complete`` is called with it, in the transaction of its row.
        ``saved_in`` is the database that the event has just saved ``source`` to: a document that
        waits to be built needs nothing more then. Of one that was there some columns are deferred.
        """
        render = self.model(
            project=project,
            template=template,
            data=data,
            priority=check_priority(priority),
            # Data that were made in time stay as they are; a retry doesn't make them anew.
            builder=builder if data is None else "",
            error=storable(build_error),
            error_code=BUILDER_FAILED if build_error else "",
        )
        # A declaration's "" has always meant: one document about one object.
        return self._ask(
            render, source, None if key == "" else key, complete=complete, saved_in=saved_in
        )

    @in_transaction
    def retry_all(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> set[int]:
        """Start the next attempt of these documents, as ``Render.retry``; return those it did.

        Takes as many queries for a thousand as for ten.
        """
        rows = self.using(database()).filter(pk__in=pks)
        locked = lock(rows).defer("data", "answer").order_by("pk")
        retried = [row for row in locked if row.is_retriable]
        changes = [row._turn_to_next_attempt(user) for row in retried]
        update_many(retried, _OF_ATTEMPT)
        # Declared ones are built anew.
        built_anew = [row.pk for row in retried if row.builder]
        if built_anew:
            rows.filter(pk__in=built_anew).update(data=None)
        Change.objects.record(changes)
        Job.objects.wish_for(KIND, retried)
        dispatch.wake_on_commit(database())
        return {row.pk for row in retried}

    @in_transaction
    def withdraw_all(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> Withdrawn:
        """Take these documents back, as ``Render.withdraw``.

        Returns the keys of those that were not before, and the links and signature requests that
        come to their end with them. Takes as many queries for a thousand as for ten.
        """
        from .engagement import KIND as ENGAGEMENT
        from .share import Share
        from .signature import SignatureRequest

        rows = self.using(database()).filter(pk__in=pks, withdrawn_at=None)
        columns = ("status", "attempt", "project")
        renders = list(lock(rows).only(*columns).order_by("pk"))
        mine = {render.pk for render in renders}
        if not mine:
            return Withdrawn(mine, [])
        self.using(database()).filter(pk__in=mine).update(
            withdrawn_at=clock.now(), withdrawn_by=user
        )
        Change.objects.record(
            [
                Change(
                    kind=KIND,
                    object_id=render.pk,
                    attempt=render.attempt,
                    from_status=render.status,
                    to_status=WITHDRAWN,
                    cause=Change.Cause.ASKED,
                    person=cast("Any", user),
                    signal="render_withdrawn",
                )
                for render in renders
            ]
        )
        Job.objects.wish_for(KIND, renders)
        # There may be links that nobody here has heard of.
        Job.objects.wish_for(ENGAGEMENT, renders)
        requests = SignatureRequest.objects.cancel_all(mine, user=user)
        ending: list[Share | SignatureRequest] = [
            *Share.objects.revoke_all(mine, user=user),
            *requests,
        ]
        dispatch.wake_on_commit(database())
        return Withdrawn(mine, ending)

    def _ask(
        self,
        render: Render,
        source: models.Model | None,
        key: str | None,
        *,
        earlier: Callable[[], str] | None = None,
        complete: Callable[[Render], None] | None = None,
        saved_in: str | None = None,
    ) -> Render:
        """Write a document, or find it; ``earlier`` makes the key that its data had before."""
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the event.
        check_template(render.template)
        check_version(render.version)
        known = None if source is None else render.set_source(source)
        render.key = check_key(default_key(render, known) if key is None else key)
        render.key_hash = hash_key(render.key)
        is_of_data = key is None and source is None
        return self._store(
            render,
            known,
            has_own_key=key is not None,
            earlier=earlier if is_of_data else None,
            complete=complete,
            saved_in=saved_in,
        )

    @again_after_deadlock
    def _store(
        self,
        render: Render,
        source: Identity | None,
        *,
        has_own_key: bool,
        earlier: Callable[[], str] | None,
        complete: Callable[[Render], None] | None,
        saved_in: str | None,
    ) -> Render:
        using = database()
        # An event only wants its document to be there.
        is_event = bool(render.builder)
        by_key = _STATE_BY_KEY if is_event else _BY_KEY
        known = by_key.first(using, render.project, render.key_hash)
        if known is None:
            rows = self.model._default_manager.using(using).filter(project=render.project)
            other: Render | None = None
            if source is not None and not has_own_key:
                other = known_by_label(rows, render, source)
            # What it takes to make the other key is spent where this one is unknown.
            elif earlier is not None and (key := earlier()) not in ("", render.key):
                other = rows.filter(key_hash=hash_key(key)).first()
            if other is not None:
                other.lacks_data = other.is_unbuilt
                known = other
        while True:
            if known is None:
                with transaction.atomic(using=using, savepoint=False):
                    known = insert_or_get(render, by_key, "project", "key_hash")
                    if known is render:
                        Job.objects.start(KIND, known.pk, known.project, render.priority)
                        if complete is not None:
                            complete(known)
                        return known
            known.check_same(render, source)
            if render.priority < known.priority:
                known.raise_to(render.priority)
            if not known.lacks_data and not (is_event and known.awaits_event):
                return known
            if known.is_built_after_commit_of(saved_in, source):
                return known
            known = self._ask_again(self.using(using).filter(pk=known.pk), is_event=is_event)
            if known is not None:
                return known

    def _ask_again(self, rows: models.QuerySet[Render], *, is_event: bool) -> Render | None:
        """Have data made from what is saved now; ``None`` where there was nothing to render."""
        using = database()
        with transaction.atomic(using=using, savepoint=False):
            known = lock(rows).first()
            if known is None:
                return None
            if is_event and known.awaits_event:
                known.begin_attempt()
                return known
            if known.unconfirmed_since is not None:
                # What confirms it may be saved only now: its minute begins anew.
                rows.update(unconfirmed_since=None)
            Job.objects.ask(KIND, [known.pk], known.project, priority=None)
        return known


def _by_key() -> models.QuerySet[Render]:
    waits = models.Q(status=Render.Status.PENDING, data__isnull=True)
    jobs = Job.objects.on_course().filter(kind=KIND, object_id=models.OuterRef("pk"))
    # No keywords: the model has attributes of these names, for rows that are read otherwise.
    state: dict[str, Any] = {
        "lacks_data": models.ExpressionWrapper(waits, models.BooleanField()),
        "is_on_course": models.Exists(jobs),
        "is_current": IsCurrent(),
    }
    return Render.objects.annotate(**state)


_BY_KEY = Lookup(_by_key, "project", "key_hash")
#: With what an event needs to know of its document alone: it fires with each save.
_STATE_BY_KEY = Lookup(
    lambda: _by_key().only(
        "project",
        "template",
        "key",
        "status",
        "priority",
        "error_code",
        "withdrawn_at",
        "unconfirmed_since",
        "source_type",
        "source_id",
        "source_db",
        "source_schema",
    ),
    "project",
    "key_hash",
)


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
    #: The class of its jobs, and of those of what follows from it.
    priority = models.SmallIntegerField(
        _("priority"), choices=Priority, default=Priority.SINGLE, db_default=Priority.SINGLE.value
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    attempted_at = models.DateTimeField(_("attempt began at"), default=clock.now)
    #: When this attempt was first sent, by the database's clock.
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    #: When it was last sent.
    sending_since = models.DateTimeField(null=True, blank=True, editable=False)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    #: The identity of the declaration that makes the data: the dotted name of its function.
    builder = models.CharField(_("builder"), max_length=255, blank=True)
    #: Since when ``recheck`` has been false of the source, by the database's clock.
    unconfirmed_since = models.DateTimeField(null=True, blank=True, editable=False)
    #: ``None`` until they are built.
    data = models.JSONField(_("data"), null=True, blank=True, encoder=DjangoJSONEncoder)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    #: The greatest number that is known of each kind of engagement event.
    counts = models.JSONField(_("engagement"), default=dict, blank=True)
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("withdrawn by"),
    )

    #: Whether its row was removed, because its function returned ``None``.
    is_gone = False
    #: What is read with a row that is found by its key: whether its data are still to be made,
    #: whether its job is carried out without another wish, and whether what others have committed
    #: until then was seen.
    lacks_data = is_on_course = is_current = False

    objects: ClassVar[models.Manager[Render]] = RenderQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        permissions = [
            ("retry_render", _("Can retry a document")),
            ("withdraw_render", _("Can withdraw a document")),
            ("download_render", _("Can open the PDF of a document")),
            ("email_render", _("Can have a document mailed")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project", "key_hash"], name="craftkit_render_key"),
        ]
        indexes = [
            # Also finds a primary key whose model nobody named.
            models.Index(
                fields=["source_id", "source_type", "-requested_at"], name="craftkit_render_about"
            ),
            models.Index(fields=["status", "-requested_at", "-id"], name="craftkit_render_status"),
            models.Index(fields=["status", "updated_at"], name="craftkit_render_lately"),
            models.Index(
                fields=["template", "-requested_at", "-id"], name="craftkit_render_template"
            ),
            models.Index(
                fields=["project", "-requested_at", "-id"], name="craftkit_render_project"
            ),
            # For the beginning of a key, which a plain index of PostgreSQL doesn't find.
            models.Index(
                fields=["key", "id"],
                name="craftkit_render_begins",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(fields=["-requested_at", "-id"], name="craftkit_render_newest"),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.template} {self.key}")

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in FINAL

    @property
    def is_retriable(self) -> bool:
        """Whether it ended without a PDF, so that another attempt makes sense."""
        return self.is_final and self.status != self.Status.SUCCEEDED

    @property
    def is_unbuilt(self) -> bool:
        """Whether its data are still to be made, from what is saved by then."""
        return self.status == self.Status.PENDING and self.data is None

    def is_built_after_commit_of(self, saved_in: str | None, source: Identity | None) -> bool:
        """Whether an event that has saved the source can leave a document that waits as it is.

        The worker then makes the data of what the event commits, or finds none to be made only
        while nobody has the source's row locked, as the event has (``builders.hold_source``).
        """
        return (
            self.is_on_course
            and self.is_current
            and self.unconfirmed_since is None
            and source is not None
            and saved_in == (source.database or database())
        )

    @property
    def may_go(self) -> bool:
        """Whether its row may be removed, where its function turns out to return ``None``."""
        is_unbuilt = self.status == self.Status.PENDING or self.is_gone
        return bool(self.builder) and self.attempt == 1 and is_unbuilt

    @property
    def awaits_event(self) -> bool:
        """Whether an event under its key begins the next attempt: the last was never confirmed."""
        return (
            self.status == self.Status.REJECTED
            and self.error_code == NOT_CONFIRMED
            and self.withdrawn_at is None
        )

    @property
    def is_overdue(self) -> bool:
        """Whether it is one of ``Render.objects.overdue()``; one query where it may be."""
        limit = timedelta(seconds=conf.options().OVERDUE_AFTER)
        if self.is_final or clock.now() - self.attempted_at <= limit:
            return False
        return Render.objects.using(database()).overdue().filter(pk=self.pk).exists()

    def check_same(self, other: Render, source: Identity | None) -> None:
        """Raise ``KeyConflict`` where another document is asked for under this one's key."""
        if self.template != other.template:
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document of the template "
                f"{self.template!r}, so it can't be one of {other.template!r}. "
                "A new document wants a new key."
            )
        if not self.is_about(source):
            raise KeyConflict(
                f"The key {self.key!r} already stands for a document about another object "
                f"({self.source_type} {self.source_id!r}{self.shown_place}). A new document wants "
                "a new key."
            )

    def retry(
        self,
        data: dict[str, Any] | None = None,
        *,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> bool:
        """Start the next attempt of a failed, rejected or cancelled document.

        A declared document builds its data anew; others go with ``data``, or with what they had.
        Returns ``False`` where there is nothing to retry (it is ready, or a double click), and
        logs why. ``user`` and ``wait`` are as in ``share``.
        """
        check_user(user)
        plain = None if data is None else check_data(data)
        return self._asked_for(lambda: self._ask_again(plain, user), wait)

    @in_transaction
    def _ask_again(self, data: dict[str, Any] | None, user: AbstractBaseUser | None) -> bool:
        from .signature import SignatureRequest

        row = lock(Render.objects.using(database())).filter(pk=self.pk).first()
        if row is None:
            self._reread()
            return False
        if not row.is_retriable:
            logger.info("Document %d is not tried again: it is %s.", row.pk, row.status)
            return False
        row.begin_attempt(data, user)
        if data is not None:
            SignatureRequest.objects.leave_declared(row, user=user)
        return True

    def begin_attempt(
        self, data: dict[str, Any] | None = None, user: AbstractBaseUser | None = None
    ) -> None:
        """Start the next attempt of a locked row, inside a transaction."""
        change = self._turn_to_next_attempt(user)
        if data is not None or self.builder:
            self.data = data
        self.save(using=database())
        Change.objects.record([change])
        # No person waits for what an event, or a script, has tried again.
        priority = None if user is None else Priority.URGENT
        Job.objects.ask(KIND, [self.pk], self.project, priority=priority)

    def _turn_to_next_attempt(self, user: AbstractBaseUser | None) -> Change:
        """Set what the next attempt begins with, but for the data; return the change."""
        previous = self.status
        self.attempt += 1
        self.attempted_at = self.updated_at = clock.now()
        self.status = self.Status.PENDING
        self.remote_id = self.sent_at = self.sending_since = self.unconfirmed_since = None
        self.accepted_at = self.completed_at = None
        self.answer, self.error, self.error_code, self.field_errors = {}, "", "", {}
        self.withdrawn_at = self.withdrawn_by = None
        return Change(
            kind=KIND,
            object_id=self.pk,
            attempt=self.attempt,
            from_status=previous,
            to_status=self.status,
            cause=Change.Cause.ASKED,
            person=cast("Any", user),
        )

    def raise_to(self, priority: int) -> None:
        """Have it, and what follows from it, go with a more urgent class from now on."""
        using = database()
        with transaction.atomic(using=using, savepoint=False):
            rows = Render.objects.using(using).filter(pk=self.pk, priority__gt=priority)
            if rows.update(priority=priority):
                Job.objects.raise_to(priority, KIND, self.pk)
        self.priority = priority

    def share(
        self,
        *,
        message: str = "",
        expires_at: datetime | None = None,
        channel: str = "link",
        recipient_email: str = "",
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Share:
        """Ask for a link to the document; it is made as soon as the document is ready.

        ``message`` has at most 2,000 characters, ``expires_at`` is an aware moment (``None``:
        never). The same ``key`` gets the same link; without one each call makes another.
        ``channel="email"`` records for whom the link is (nothing is mailed) and needs
        ``recipient_email``. ``wait`` carries it out before returning, for that many seconds at
        most (``True``: 30); what is not done by then is the worker's. ``user`` is who the history
        says asked for it.

        Raises ``ValueError`` or ``ValidationError`` for what can't be sent, and
        ``RenderWithdrawn``.
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

    def email(
        self,
        to: str,
        *,
        recipient_name: str = "",
        message: str = "",
        expires_at: datetime | None = None,
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Share:
        """Have Craftkit mail a link of its own to one person, as soon as the document is ready.

        ``to`` is one address, without a name; ``recipient_name`` has at most 200 characters.
        ``message``, ``expires_at``, ``user`` and ``wait`` are as in ``share``. The same
        ``key`` is the same mail, and raises ``KeyConflict`` for another person, name or message;
        without one, what it says and to whom is the key, so that a double click mails once.

        A mail that may have gone out is never sent again by itself: what can't be settled is
        ``unknown`` and waits for a person (``Share.confirm_mailed``, ``Share.retry``).
        """
        from .share import Share

        return Share.objects.ask(
            self,
            message=message,
            expires_at=expires_at,
            channel=Share.Channel.EMAIL,
            recipient_email=to,
            recipient_name=recipient_name,
            by_mail=True,
            key=key,
            user=user,
            wait=wait,
        )

    def send_for_signature(
        self,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField] = (),
        anchor_tags: Sequence[AnchorTag] = (),
        name: str = "",
        expires_in: timedelta | None = None,
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> SignatureRequest:
        """Have Craftkit send the document out to be signed, as soon as it is ready.

        ``recipients`` are 1 to 20; where any of them signs, ``fields`` or ``anchor_tags`` say
        where. ``name`` has at most 255 characters and is what the people read; ``expires_in`` is
        1 hour to a year, in whole hours (``None``: a week). ``user`` and ``wait`` are as in
        ``share``.

        The same ``key`` and the same values are the same request, for ever. Without a key, the
        name and the people (addresses and roles) are the key until the request has ended, so that
        a double click sends once; after that the call asks for a new one, unless all have signed.

        Raises ``InvalidSignatureRequest``, which names the field, ``RenderWithdrawn``, and
        ``KeyConflict`` where other values are asked for under the key while its request is under
        way, or signed: its ``differences`` name them. Once that one is cancelled, declined,
        expired, failed or rejected, other values are a new request.
        """
        from .signature import DECLARED, SignatureRequest

        if key is not None and check_key(key).startswith(DECLARED):
            raise ValueError(f"Keys that begin with {DECLARED!r} are those of sign_with=.")
        return SignatureRequest.objects.ask(
            self,
            recipients,
            fields=fields,
            anchor_tags=anchor_tags,
            name=name,
            expires_in=expires_in,
            key=key,
            user=user,
            wait=wait,
        )

    def withdraw(self, *, user: AbstractBaseUser | None = None, wait: float = False) -> bool:
        """Take the document back: every link is revoked, every signature request cancelled.

        No new one can be made. A document that was not sent yet is cancelled. Returns ``False``
        where it was withdrawn before. ``user`` and ``wait`` are as in ``share``.
        """
        timeout = may_wait(wait)
        withdrawn = Render.objects.withdraw_all([self.pk], user=check_user(user))
        ending = withdrawn.ending if withdrawn.pks else None
        if ending is not None and wait:
            until = time.monotonic() + timeout
            self._carry_out(0.0)
            for row in ending:
                row._carry_out(max(until - time.monotonic(), 0.0))
        self._reread()
        return ending is not None

    def record(self, kind: str, metadata: dict[str, Any] | None = None) -> None:
        """Tell Craftkit that this site showed the document to somebody.

        ``kind`` is ``"viewed"``, ``"downloaded"`` or ``"printed"``; ``metadata`` is JSON and is
        stored as it is, at Craftkit too. Craftkit counts what comes twice within five minutes once.
        """
        from .engagement import EngagementEvent

        EngagementEvent.objects.ask(self, kind, metadata)

    def open(self, *, timeout: float | None = None) -> BinaryIO:
        """Return the PDF as a binary file object: from the archive, else streamed from Craftkit.

        It is open within ``timeout`` seconds, by one try; ``None`` is what the project's settings
        say, with further tries. Then it may be read for as long as it keeps coming. Raises
        ``FileNotFoundError`` where it isn't ready yet, ``RenderFailed`` where it ended without a
        PDF, and ``CraftkitError``.
        """
        archived = ArchivedFile.objects.of(ArchivedFile.Kind.RENDER, self.pk)
        if archived is not None:
            return archived.open()
        if not self.is_final:
            raise FileNotFoundError(f"{self} is {self.status}: it isn't ready yet.")
        if self.status != self.Status.SUCCEEDED or self.remote_id is None:
            raise RenderFailed(self)
        if timeout is None:
            return cast("BinaryIO", get_client(self.project).renders.download(self.remote_id))
        with patience(timeout):
            renders = get_client(self.project, max_retries=0).renders
            return cast("BinaryIO", renders.download(self.remote_id))

    def refresh(self, *, wait: float = False) -> bool:
        """Ask Craftkit soon for the document's status, its links, and who opened it.

        A final status stays. ``wait`` is as in ``share``; returns whether Craftkit has answered
        by now. A document that turned out to be none is ``cancelled`` then, with the code
        ``nothing_to_render``.
        """
        from .engagement import KIND as ENGAGEMENT

        timeout = may_wait(wait)
        rows = Render.objects.using(database()).filter(pk=self.pk)
        is_ready = rows.filter(status=self.Status.SUCCEEDED).exists()
        kind = ENGAGEMENT if is_ready else KIND
        Job.objects.ask(kind, [self.pk], self.project)
        if not wait:
            return False
        heard = dispatch.carry_out(kind, self.pk, timeout=timeout)
        self._reread()
        return heard

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this document now, for up to ``timeout`` seconds."""
        dispatch.carry_out(KIND, self.pk, timeout=timeout, until=lambda: self._is_there())

    def _is_there(self) -> bool:
        self._reread()
        return self.is_final

    def _reread(self) -> None:
        """Read the row as it is now; one whose function had nothing to render is gone by then.

        This object says so then.
        """
        try:
            self.refresh_from_db(using=database())
        except Render.DoesNotExist:
            if not self.may_go:
                raise
            self.is_gone = True
            self.status = self.Status.CANCELLED
            self.error, self.error_code = NOTHING, NOTHING_TO_RENDER

    def wait(self, timeout: float = 30.0) -> Self:
        """Return when the document is ready, for scripts and shells; outside of a transaction.

        ``timeout`` is in seconds. Raises ``RenderFailed`` where it ended without a PDF,
        ``NothingToRender``, which is one too, where its function returned ``None``, and
        ``TimeoutError`` where it has not ended; the worker goes on with it.
        """
        dispatch.refuse_transaction()
        self._carry_out(timeout)
        if not self.is_final:
            paused = ProjectState.objects.using(database()).paused()
            paused = paused.filter(project=self.project, capability="")
            why = "".join(f" Its project is paused: {state.pause_reason}" for state in paused)
            raise TimeoutError(f"{self} is still {self.status}, {timeout:g} s were given.{why}")
        if self.error_code == NOTHING_TO_RENDER:
            raise NothingToRender(self)
        if self.status != self.Status.SUCCEEDED:
            raise RenderFailed(self)
        return self


KIND = "render"
#: What a change says that is none of the status: it was taken back, it takes too long.
WITHDRAWN, OVERDUE = "withdrawn", "overdue"
#: Codes of what ended here: the function raised, ``recheck`` stayed false, there are no data.
BUILDER_FAILED = "builder_failed"
NOT_CONFIRMED = "not_confirmed"
NOTHING_TO_RENDER = "nothing_to_render"
#: What a document says whose function had nothing to render.
NOTHING = "The function that makes its data returned None: there is nothing to render."
FINAL = frozenset(
    {
        Render.Status.SUCCEEDED,
        Render.Status.FAILED,
        Render.Status.CANCELLED,
        Render.Status.REJECTED,
    }
)
UNDER_WAY = tuple(status for status in Render.Status if status not in FINAL)


def hold(pk: int, *, may_go: bool = False) -> bool:
    """Lock a document where it can't be referred to while another has it locked.

    A row that refers to it would wait for them then, and they for the row: a deadlock. One that
    ``may_go`` is kept until the caller's transaction has ended. Returns whether it is there.
    """
    using = database()
    features = connections[using].features
    if not features.has_select_for_no_key_update:
        if not features.has_select_for_update:
            # SQLite has one writer, and it is this one from here on, or its transaction fails.
            return not may_go or Render.objects.using(using).filter(pk=pk).exists()
        return lock(Render.objects.using(using)).filter(pk=pk).values("pk").first() is not None
    if not may_go:
        return True
    # PostgreSQL looks for the document when the caller's transaction ends. If it were gone by
    # then, everything in that would be rolled back.
    with connections[using].cursor() as cursor:
        table = connections[using].ops.quote_name(Render._meta.db_table)
        cursor.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR KEY SHARE", [pk])  # noqa: S608
        return cursor.fetchone() is not None


def refuse_withdrawn(pk: int) -> Render | None:
    """Raise ``RenderWithdrawn``; what is written while it is withdrawn is never sent.

    Returns the row; ``None`` where it is gone.
    """
    # No lock: who revokes a link and asks for another, in one transaction, would come to it from
    # the wrong end, and meet the worker.
    columns = ("withdrawn_at", "template", "key", "status", "builder", "attempt", "priority")
    row: Render | None = Render.objects.using(database()).only(*columns).filter(pk=pk).first()
    if row is not None and row.withdrawn_at is not None:
        raise RenderWithdrawn(f"{row} was withdrawn: it goes to nobody any more.")
    return row


def refuse_gone(render: Render) -> NoReturn:
    """Raise ``NothingToRender`` about a document whose row is gone."""
    render._reread()
    raise NothingToRender(render)
