"""How documents are requested, retried and withdrawn, one or many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models, transaction

from django_craftkit import clock, conf, credentials, dispatch
from django_craftkit.database import (
    IsCurrent,
    database,
    in_transaction,
    insert_or_get,
    lock,
    retried_after_deadlock,
    update_many,
)
from django_craftkit.functions import alters_data
from django_craftkit.statements import Lookup
from django_craftkit.twins import async_twin

from .arguments import (
    MAX_NAME,
    check_filename,
    check_key,
    check_template,
    check_text,
    check_user,
    check_version,
    document_data,
    hash_key,
    may_wait,
)
from .batch import Batch
from .batch_requests import request_many
from .change import Change
from .default_key import default_key, earlier_key, known_by_label
from .identity import Identity, identify
from .job import Job
from .lacking import lacking
from .priority import check_priority
from .render_queryset import RenderQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from django.contrib.auth.models import AbstractBaseUser

    from .problems import Problem
    from .render import Render
    from .share import Share
    from .signature import SignatureRequest


class Withdrawn(NamedTuple):
    """Which documents were withdrawn, and which links and signature requests end with them."""

    pks: set[int]
    ending: list[Share | SignatureRequest]


#: What a change says that is no status: it was withdrawn, it takes too long.
WITHDRAWN, OVERDUE = "withdrawn", "overdue"
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

if TYPE_CHECKING:

    class _Manager(RenderQuerySet, models.Manager["Render"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(RenderQuerySet)


class RenderManager(_Manager):
    """Where documents are requested, retried and withdrawn."""

    @alters_data
    def request(
        self,
        template: str,
        data: dict[str, Any],
        *,
        source: models.Model | None = None,
        key: str | None = None,
        project: str = conf.DEFAULT_PROJECT,
        version: int | None = None,
        filename: str = "",
        priority: str = "single",
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Render:
        """Request a document and return its row at once.

        Source: https://docs.craftkit.dev/api-reference/render-template

        Args:
            template: its slug, up to 120 characters.
            data: what its manifest asks for, as JSON; moments, decimals and UUIDs may be in it.
            source: the saved object that it is about.
            key: up to 255 characters. The same key gets the same row. Without one, template and
                source are the key, or template and data.
            project: an alias of the settings.
            version: a published version to pin; None: the one that is current when it is sent.
            filename: of the PDF, at Craftkit and where this site hands it out, as in
                ``"invoice-7.pdf"``; up to 255 characters. Separators and control characters become
                ``-``. "": Craftkit names it, and this site by its key.
            priority: ``"single"`` or ``"bulk"``, which lets single documents go first, also with
                its links, e-mails, signature requests and signals. Requested once more as
                ``"single"``, a bulk document becomes one.
            user: who the history says requested it.
            wait: seconds to carry it out before returning (True: 30), outside of any transaction;
                what is not ready by then is the worker's.

        Raises:
            KeyConflict: the key stands for another template or source.
            ValueError: one of these can't be stored or sent.
            TypeError: one of these is of another type.
            UnknownProject: the project is not configured.
        """
        credentials.check_project(project)
        timeout = may_wait(wait)
        wanted = {
            "project": project,
            "template": template,
            "version": version,
            "filename": check_filename(filename),
            "data": document_data(data),
            "priority": check_priority(priority),
            "requested_by": check_user(user),
        }
        render = self._request(wanted, source, key, earlier=lambda: earlier_key(template, data))
        if timeout:
            render._carry_out(timeout)
        return render

    arequest = async_twin(request)

    @alters_data
    def request_many(
        self,
        template: str,
        objects: Iterable[models.Model],
        *,
        data: Callable[[Any], dict[str, Any] | None],
        key: Callable[[Any], str] | None = None,
        name: str = "",
        project: str = conf.DEFAULT_PROJECT,
        version: int | None = None,
        filename: str | Callable[[Any], str] = "",
        priority: str = "bulk",
        user: AbstractBaseUser | None = None,
    ) -> Batch:
        """Request a document for each of many objects, and return their batch.

        Objects are read, and rows written, 2,000 at a time, fewer where their data are large. Each
        chunk is committed with its jobs; inside your transaction all or none are. Run again, it
        completes what an earlier run has left: an object whose key has a document keeps that one,
        and ``data`` isn't called.

        Args:
            template: as in ``request``.
            objects: saved objects, each the source of its document: a queryset, which is read
                anew by its ``iterator()``, a list, a generator.
            data: called here with each object that has no document yet; None: nothing to render.
            key: called here with each object; without it, template and object are the key.
            name: what staff read, up to 255 characters. The same project, template and name are
                the same batch. "": each call makes another one.
            project, version, priority, user: as in ``request``, for all of them.
            filename: as in ``request``; or called here with each object that has no document yet.

        Raises:
            Whatever ``data``, ``key`` and ``filename`` raise, and what ``request`` raises, with a
            note (PEP 678) that names the object. Nothing of its
                chunk is requested then, unless its data are large.
        """
        credentials.check_project(project)
        batch = Batch(
            project=project,
            template=check_template(template),
            name=check_text("name", name, MAX_NAME),
            priority=check_priority(priority),
            requested_by=check_user(user),
        )
        return request_many(
            batch, objects, version=check_version(version), data=data, key=key, filename=filename
        )

    arequest_many = async_twin(request_many)

    def declare(
        self,
        template: str,
        data: dict[str, Any] | None,
        *,
        builder: str,
        problem: Problem,
        source: models.Model | None,
        key: str,
        project: str,
        version: int | None = None,
        filename: str = "",
        priority: str = "single",
        complete: Callable[[Render], None] | None = None,
        saved_in: str | None = None,
    ) -> Render:
        """Request a document whose data the function ``builder`` makes, for ``render_on``.

        ``data``, with ``version`` and ``filename``, are those that it has made already;
        ``problem`` is that it raised. Where the
        document is a new one, ``complete`` is called with it, in the transaction of its row.
        ``saved_in`` is the database that the event has just saved ``source`` to: a document that
        waits to be built needs nothing more then. Of one that was there some columns are deferred.
        """
        wanted = {
            "project": project,
            "template": template,
            "data": data,
            "version": version,
            "filename": filename,
            "priority": check_priority(priority),
            # Data that were made in time stay as they are; a retry doesn't make them anew.
            "builder": builder if data is None else "",
            **problem.columns,
        }
        # A declaration's "" has always meant: one document about one object.
        return self._request(
            wanted, source, None if key == "" else key, complete=complete, saved_in=saved_in
        )

    def lacking(
        self, objects: models.QuerySet[Any], *, template: str, project: str | None
    ) -> models.QuerySet[Any]:
        """Return those of some objects that have no document of a template, whatever its status.

        ``project=None``: in any project. Raises ``NotSupportedError``, see ``lacking.py``.
        """
        in_project = {} if project is None else {"project": project}
        return lacking(objects, self.filter(template=template, **in_project))

    @in_transaction
    def retry_all(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> set[int]:
        """Start the next attempt of these documents, as ``Render.retry``; return those it did.

        Takes as many queries for a thousand as for ten.
        """
        rows = self.writer().filter(pk__in=pks)
        locked = lock(rows).defer("data", "answer").order_by("pk")
        retried = [row for row in locked if row.is_retriable]
        changes = [row._turn_to_next_attempt(user) for row in retried]
        update_many(retried, _OF_ATTEMPT)
        # Declared ones are built anew.
        built_anew = [row.pk for row in retried if row.builder]
        if built_anew:
            rows.filter(pk__in=built_anew).update(data=None)
        Change.objects.record(changes)
        Job.objects.schedule_for(Job.Kind.RENDER, retried)
        Batch.objects.reopen(row.batch_id for row in retried)
        dispatch.wake_on_commit(database())
        return {row.pk for row in retried}

    @in_transaction
    def withdraw_all(self, pks: Collection[int], *, user: AbstractBaseUser | None) -> Withdrawn:
        """Withdraw these documents, as ``Render.withdraw``.

        Takes as many queries for a thousand as for ten.
        """
        rows = self.writer().filter(pk__in=pks, withdrawn_at=None)
        columns = ("status", "attempt", "project")
        renders = list(lock(rows).only(*columns).order_by("pk"))
        mine = {render.pk for render in renders}
        if not mine:
            return Withdrawn(mine, [])
        self.writer().filter(pk__in=mine).update(withdrawn_at=clock.now(), withdrawn_by=user)
        Change.objects.record(
            row._requested_change(row.status, WITHDRAWN, user, signal="render_withdrawn")
            for row in renders
        )
        Job.objects.schedule_for(Job.Kind.RENDER, renders)
        # There may be links that have no row here.
        Job.objects.schedule_for(Job.Kind.ENGAGEMENT, renders)
        requests = Job.Kind.POLL_OR_CANCEL.model.objects.cancel_all(mine, user=user)
        shares = Job.Kind.SHARE.model.objects.revoke_all(mine, user=user)
        dispatch.wake_on_commit(database())
        return Withdrawn(mine, [*shares, *requests])

    def _request(
        self,
        wanted: dict[str, Any],
        source: models.Model | None,
        key: str | None,
        *,
        earlier: Callable[[], str] | None = None,
        complete: Callable[[Render], None] | None = None,
        saved_in: str | None = None,
    ) -> Render:
        """Find a document or write it; ``earlier`` makes the key that its data had before.

        ``wanted`` are the values of a new row. That is made where there is none: most events find
        theirs, and to make one that is thrown away costs more than all that is done with it.
        """
        # All that can be wrong is found before the first query: one that fails would break the
        # transaction of the event.
        check_template(wanted["template"])
        check_version(wanted.get("version"))
        about = None if source is None else identify(source)
        wanted["key"] = check_key(
            default_key(wanted["template"], wanted["data"], about) if key is None else key
        )
        wanted["key_hash"] = hash_key(wanted["key"])
        is_default = key is None
        return self._store(wanted, about, is_default, earlier, complete, saved_in)

    @retried_after_deadlock
    def _store(
        self,
        wanted: dict[str, Any],
        about: Identity | None,
        is_default: bool,
        earlier: Callable[[], str] | None,
        complete: Callable[[Render], None] | None,
        saved_in: str | None,
    ) -> Render:
        using = database()
        # An event only wants its document to be there.
        is_event = bool(wanted.get("builder"))
        by_key = _STATE_BY_KEY if is_event else _BY_KEY
        known = by_key.first(using, wanted["project"], wanted["key_hash"])
        if known is None and is_default:
            rows = self.using(using).filter(project=wanted["project"])
            if about is not None:
                known = known_by_label(rows, wanted["template"], [about]).get(about)
            # What it takes to make the other key is spent where this one is unknown.
            elif earlier is not None and (other := earlier()) not in ("", wanted["key"]):
                known = rows.filter(key_hash=hash_key(other)).first()
            if known is not None:
                known.lacks_data = known.is_unbuilt
        while True:
            if known is None:
                render: Render = self.model(**wanted, **({} if about is None else about.values))
                with transaction.atomic(using=using, savepoint=False):
                    known = insert_or_get(render, by_key, "project", "key_hash")
                    if known is render:
                        Job.objects.start(Job.Kind.RENDER, known.pk, known.project, render.priority)
                        if complete is not None:
                            complete(known)
                        return known
            known.check_same(wanted["template"], about)
            if known.erased_at is not None:
                return known
            if wanted["priority"] < known.priority:
                known.raise_to(wanted["priority"])
            if not known.lacks_data and not (is_event and known.awaits_event):
                return known
            if known.is_built_after_commit_of(saved_in, about):
                return known
            known = self._rebuild(self.using(using).filter(pk=known.pk), is_event=is_event)
            if known is not None:
                return known

    def _rebuild(self, rows: models.QuerySet[Render], *, is_event: bool) -> Render | None:
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
            Job.objects.request(Job.Kind.RENDER, [known.pk], known.project, priority=None)
        return known


def _by_key() -> models.QuerySet[Render]:
    model: type[Render] = Job.Kind.RENDER.model
    waits = models.Q(status=model.Status.PENDING, data__isnull=True)
    jobs = Job.objects.on_course().filter(kind=Job.Kind.RENDER, object_id=models.OuterRef("pk"))
    # No keywords: the model has attributes of these names, for rows that are read otherwise.
    state: dict[str, Any] = {
        "lacks_data": models.ExpressionWrapper(waits, models.BooleanField()),
        "is_on_course": models.Exists(jobs),
        "is_current": IsCurrent(),
    }
    rows: models.QuerySet[Render] = model.objects.annotate(**state)
    return rows


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
        "erased_at",
        "unconfirmed_since",
        "source_type",
        "source_id",
        "source_db",
        "source_schema",
    ),
    "project",
    "key_hash",
)
