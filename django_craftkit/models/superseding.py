"""A document that takes the place of another: the corrected invoice of a wrong one, say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, credentials, dispatch
from django_craftkit.database import in_transaction, insert_or_get, lock
from django_craftkit.functions import alters_data
from django_craftkit.twins import async_twin, in_thread

from .arguments import (
    MAX_KEY,
    check_filename,
    check_key,
    check_template,
    check_user,
    check_version,
    document_data,
    hash_key,
    may_wait,
)
from .change import Change
from .columns import NullableMoment, RowKey
from .erased import NAMING
from .exceptions import KeyConflict, NothingToRender, RenderSuperseded, RenderWithdrawn
from .job import Job
from .mirror import Attempted, time_left
from .priority import check_priority
from .render_manager import _BY_KEY

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

    from .render import Render

    NullableRender: TypeAlias = "models.ForeignKey[Render | None, Render | None]"

#: What a change says that is no status: another is to take its place, has taken it; it has taken
#: that of another. The note is the key of the other document.
CORRECTED, SUPERSEDED, SUPERSEDES = NAMING
#: Characters of the hash that tells two corrections of one document apart.
_DIGITS = 12


class Supersedable(Attempted):
    """A document that another may supersede: at most one, which may itself be superseded."""

    #: The document that this one is to take the place of, once it is ready.
    supersedes: NullableRender = cast(
        "NullableRender",
        RowKey(
            "self",
            on_delete=models.SET_NULL,
            null=True,
            blank=True,
            related_name="successors",
            verbose_name=_("supersedes"),
        ),
    )
    #: When the one that supersedes it was ready.
    superseded_at: NullableMoment = models.DateTimeField(_("superseded at"), null=True, blank=True)

    template: models.CharField[str, str]
    successors: RelatedManager[Render]
    supersedes_id: int | None

    class Meta:
        abstract = True

    @property
    def superseded_by(self) -> Render | None:
        """The document that takes its place, or is to; one query, unless ``successors`` were read.

        It has taken its place where ``superseded_at`` is set.
        """
        return next(iter(self.successors.all()), None)

    @in_thread
    def asuperseded_by(self) -> Render | None:
        """Async version of ``superseded_by``: a method."""
        return self.superseded_by

    @alters_data
    def supersede(
        self,
        data: dict[str, Any],
        *,
        key: str | None = None,
        template: str | None = None,
        version: int | None = None,
        filename: str | None = None,
        priority: str = "single",
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Render:
        """Request a document that takes the place of this one, and return its row at once.

        It is about the same object, in the same project. Once it is ready, this one is withdrawn:
        its links are revoked, its signature requests cancelled, and it can't be retried. Until
        then, and where the new one ends without a PDF or is withdrawn, this one stays as it is.

        Source: https://docs.craftkit.dev/api-reference/render-template

        Args:
            data: all of the new document's, as in ``Render.objects.request``.
            key: up to 255 characters. The same key gets the same document. Without one, this
                document's key and the data are the key.
            template: its slug, up to 120 characters; None: that of this document.
            version: a published version to pin; None: as this one where the template is the same,
                else the one that is current when it is sent.
            filename: as in ``Render.objects.request``; None: that of this document.
            priority: ``"single"`` or ``"bulk"``.
            user: who the history says requested it, and withdrew this one.
            wait: seconds to carry both out before returning (True: 30), outside of any
                transaction; what is not done by then is the worker's.

        Raises:
            RenderSuperseded: another document, of another key, takes its place already. Where that
                is ready, supersede that one.
            RenderWithdrawn: this one was erased.
            KeyConflict: the key stands for another document.
            NothingToRender: this one turned out to be none.
            ValueError: one of these can't be stored or sent.
            TypeError: one of these is of another type.
            UnknownProject: its project is not configured any more.
        """
        credentials.check_project(self.project)
        timeout = may_wait(wait)
        plain = document_data(data)
        wanted = {
            "data": plain,
            "template": None if template is None else check_template(template),
            "version": check_version(version),
            "filename": None if filename is None else check_filename(filename),
            "priority": check_priority(priority),
            "requested_by": check_user(user),
            "key": check_key(self._key_of_successor(plain, template) if key is None else key),
        }
        render = self._request_successor(wanted)
        if timeout:
            left = time_left(timeout)
            render._carry_out(left())
            jobs = Job.objects.writer().filter(kind=Job.Kind.SUPERSEDE, object_id=render.pk)
            dispatch.carry_out(
                Job.Kind.SUPERSEDE, render.pk, timeout=left(), until=lambda: not jobs.exists()
            )
            self._reread()
        return render

    asupersede = async_twin(supersede)

    def _key_of_successor(self, data: Any, template: str | None) -> str:
        # With the data in it: what differs must not pass for what was requested before.
        text = json.dumps([template or self.template, data], sort_keys=True)
        key = f"{self.key}~{hash_key(text)[:_DIGITS]}"
        return key if len(key) <= MAX_KEY else f"{self.template}:{hash_key(key)}"

    @in_transaction
    def _request_successor(self, wanted: dict[str, Any]) -> Render:
        model: type[Render] = Job.Kind.RENDER.model
        rows = model.objects.writer().defer("data", "answer")
        # A write, not a lock: in a transaction that reads as of an earlier moment, PostgreSQL
        # raises 40001 where another has requested one since.
        if not rows.filter(pk=self.pk).update(superseded_at=F("superseded_at")):
            self._reread()
            raise NothingToRender(cast("Render", self))
        old = lock(rows).get(pk=self.pk)
        if old.erased_at is not None:
            raise RenderWithdrawn(f"{old} was erased: it has nothing that could be corrected.")
        wanted = _completed(wanted, old)
        known = rows.filter(project=old.project, key_hash=wanted["key_hash"]).first()
        if known is None:
            _make_way(old, lock(rows).filter(supersedes=old.pk).order_by("pk").last())
            made = model(**wanted)
            known = insert_or_get(made, _BY_KEY, "project", "key_hash")
            if known is made:
                change = old._requested_change(old.status, CORRECTED, wanted["requested_by"])
                change.note = made.key
                Change.objects.record([change])
                Job.objects.start(Job.Kind.RENDER, made.pk, made.project, made.priority)
        if known.supersedes_id != old.pk or known.template != wanted["template"]:
            raise KeyConflict(
                f"The key {known.key!r} already stands for another document, which does not "
                f"supersede {old.key!r} with the template {wanted['template']!r}. A new document "
                "wants a new key."
            )
        return known


def _completed(wanted: dict[str, Any], old: Render) -> dict[str, Any]:
    """Return the columns of a new document: what nobody has named is as the old one has it."""
    template = wanted["template"] or old.template
    version = wanted["version"]
    if version is None and template == old.template:
        version = old.version
    filename = wanted["filename"]
    return {
        **wanted,
        "key_hash": hash_key(wanted["key"]),
        "template": template,
        "version": version,
        "filename": old.filename if filename is None else filename,
        "project": old.project,
        **old.source_values,
        "supersedes_id": old.pk,
    }


def _make_way(old: Render, before: Render | None) -> None:
    """Release the successor that came to nothing; raise ``RenderSuperseded`` where it did not."""
    if old.superseded_at is None:
        if before is None:
            return
        if before.is_retriable or before.withdrawn_at is not None:
            # It may still come: then it is a document of its own.
            type(before).objects.writer().filter(pk=before.pk).update(supersedes=None)
            return
    by = "" if before is None else f" {before.key!r}"
    raise RenderSuperseded(
        f"{old} is superseded already, by the document{by}. Supersede that one, or give its key."
    )


@in_transaction
def take_place(pk: int) -> bool:
    """Have a document that is ready take the place of the one that it supersedes.

    That is withdrawn by whoever has requested the new one. Returns ``False`` where there is
    nothing to do: the new one was withdrawn, or another is to take the place now.
    """
    model: type[Render] = Job.Kind.RENDER.model
    rows = model.objects.writer()
    old_pk = rows.filter(pk=pk).values_list("supersedes", flat=True).first()
    # The older first, as whoever withdraws many locks them.
    locked = lock(rows.defer("data", "answer")).filter(pk__in=[old_pk, pk]).order_by("pk")
    found = {row.pk: row for row in locked}
    new, old = found.get(pk), found.get(old_pk or 0)
    if new is None or old is None or new.supersedes_id != old.pk:
        return False
    is_ready = new.status == new.Status.SUCCEEDED and new.withdrawn_at is None
    if not is_ready or old.superseded_at is not None:
        return False
    user = new.requested_by
    rows.filter(pk=old.pk).update(superseded_at=clock.now())
    changes = [
        old._requested_change(old.status, SUPERSEDED, user),
        new._requested_change(new.status, SUPERSEDES, user),
    ]
    changes[0].note, changes[1].note = new.key, old.key
    Change.objects.record(changes)
    model.objects.withdraw_all([old.pk], user=user)
    return True
