"""What the mirrored models have in common."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, cast

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.data import worded
from django_craftkit.database import database
from django_craftkit.projects import call, time_limit

from .arguments import may_wait
from .change import Change
from .columns import NullableMoment, NullableUUID, user_key
from .job import Job
from .problems import Explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AbstractBaseUser

    from django_craftkit.client import Craftkit

#: For how long the front page counts what ended badly, unless somebody has acted on it.
SHOWN_FOR = timedelta(days=30)


class Mirror(Explained):
    """A row about one object at Craftkit: typed columns to filter by, the rest in ``answer``."""

    #: Of what kind its changes are.
    change_kind: ClassVar[Change.Kind]

    project = models.CharField(_("project"), max_length=64, default=DEFAULT_PROJECT)
    key = models.CharField(_("key"), max_length=255)
    key_hash = models.CharField(max_length=64, editable=False)
    # No unique key: PostgreSQL would hold up whoever refers to a row while its id is written.
    remote_id: NullableUUID = models.UUIDField(
        _("Craftkit's id"), null=True, blank=True, db_index=True
    )
    #: What else Craftkit said of it, in its own words.
    answer = models.JSONField(_("answer"), default=dict, blank=True)
    #: As in ``Problem``.
    error = models.TextField(_("error"), blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    #: Messages by the path of the field that they are about.
    field_errors = models.JSONField(_("errors by field"), default=dict, blank=True)
    requested_at = models.DateTimeField(_("requested at"), default=clock.now)
    requested_by = user_key(_("requested by"))
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    #: Since when it holds nothing about people: see ``erasing.py``.
    erased_at: NullableMoment = models.DateTimeField(_("erased at"), null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def errors(self) -> dict[str, list[str]]:
        """What is wrong with which field, in the reader's language, by its path.

        That is Craftkit's path, as in ``lines.0.price``: of a document's data, or of the arguments
        of a request. All of it at once, up to 100.
        """
        return worded(self.field_errors)

    def _carry_out(self, timeout: float) -> None:
        """Do what is due for this row now, for up to ``timeout`` seconds."""
        raise NotImplementedError

    def _requested(self, request: Callable[[], bool], wait: float) -> bool:
        """Write a request, and carry it out for as long as the caller waits.

        Returns whether there was anything to request, as ``request`` does.
        """
        timeout = may_wait(wait)
        if not request():
            return False
        if timeout:
            self._carry_out(timeout)
        self._reread()
        return True

    def _reread(self) -> None:
        """Read the row as it is now, whatever database it came from."""
        self.refresh_from_db(using=database())

    def _requested_change(
        self, before: str, after: str, user: AbstractBaseUser | None, *, signal: str = ""
    ) -> Change:
        """Return the change that a user has requested: of its status, or to what is none."""
        return Change(
            kind=self.change_kind,
            object_id=self.pk,
            attempt=getattr(self, "attempt", 1),
            from_status=before,
            to_status=after,
            cause=Change.Cause.ASKED,
            person=cast("Any", user),
            signal=signal,
        )


class Attempted(Mirror):
    """A mirrored row that is sent under a key of each attempt's own."""

    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    #: Committed before each call, by the database's clock: first and last time that this attempt
    #: was sent.
    sent_at: NullableMoment = models.DateTimeField(_("sent at"), null=True, blank=True)
    sending_since: NullableMoment = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_at: NullableMoment = models.DateTimeField(_("accepted at"), null=True, blank=True)
    completed_at: NullableMoment = models.DateTimeField(_("completed at"), null=True, blank=True)

    class Meta:
        abstract = True

    def _leave_attempt(self) -> None:
        """Forget what is known of this attempt, and count the next."""
        self.attempt += 1
        self.remote_id = self.sent_at = self.sending_since = None
        self.accepted_at = self.completed_at = None
        self.answer, self.error, self.error_code, self.field_errors = {}, "", "", {}

    def _carry_out_job(self, kind: Job.Kind, timeout: float) -> bool:
        """Request a job, and wait for it; return whether Craftkit has answered by now."""
        Job.objects.request(kind, [self.pk], self.project)
        if not timeout:
            return False
        is_answered = dispatch.carry_out(kind, self.pk, timeout=timeout)
        self._reread()
        return is_answered

    def _download(self, fetch: Callable[[Craftkit], Any], timeout: float | None) -> BinaryIO:
        """Return a file of Craftkit's: by one try within ``timeout`` seconds, if there are any."""
        if timeout is None:
            return cast("BinaryIO", call(self.project, fetch))
        with time_limit(timeout):
            return cast("BinaryIO", call(self.project, fetch, max_retries=0))


def time_left(seconds: float) -> Callable[[], float]:
    """Return what tells how many of these seconds are left."""
    end = time.monotonic() + seconds
    return lambda: max(end - time.monotonic(), 0.0)
