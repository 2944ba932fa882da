"""Rounds of polls of open signature requests: never more calls than requests, or pages.

A page of Craftkit's list answers for a hundred requests, a GET for one. The list goes back in time
from any moment. If several requests on one page are due, we read the page that begins at the newest
of them; otherwise we read the one request. Each call answers at least for the request that it was
made for, and a request that its page leaves out is read by its id.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from django_craftkit import conf
from django_craftkit.client import CraftkitError
from django_craftkit.clock import database_now
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import Change, Job, SignatureRequest
from django_craftkit.models.problems import Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile.answers import warn_of_unreadable
from django_craftkit.reconcile.moments import to_utc
from django_craftkit.reconcile.results import (
    Done,
    Failed,
    Paused,
    Reschedule,
    Result,
    result_of_open,
)
from django_craftkit.reconcile.updates import Update

from . import poll_or_cancel
from .states import MAX_POLL, REQUESTS, state_of

if TYPE_CHECKING:
    import uuid

    from django.db.models import QuerySet

    from django_craftkit.reconcile.states import RemoteState

logger = get_logger(__name__)

#: Requests on a page of Craftkit's list; https://docs.craftkit.dev/api-reference/list-signatures
PAGE = 100
#: Seconds between two rounds, at least.
PAUSE = 5.0
#: After so many failures in a row the round is left.
MAX_FAILURES = 3


def step(job: Job) -> Result:
    """Poll the requests that are due, newest first, for a part of the lease."""
    end = time.monotonic() + conf.options().LEASE / 4
    round_ = _Round(job)
    while time.monotonic() < end:
        request = round_.next()
        if request is None:
            return round_.rest()
        result = round_.refresh(request)
        if result is not None:
            return result
    return Reschedule(0.0, answered=round_.answered)


class _Round:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._client = get_client(job.project, max_retries=0)
        self._started = database_now()
        self._failures = 0
        #: Whether Craftkit has answered.
        self.answered = False
        #: Whether pages are of use, which they aren't once one left out the request it began at.
        self._by_page = True

    def _rows(self) -> QuerySet[SignatureRequest]:
        return SignatureRequest.objects.writer().filter(project=self._job.project)

    def next(self) -> SignatureRequest | None:
        """Return the newest request that is due."""
        due = self._rows().filter(poll_at__lte=self._started)
        return due.order_by("-accepted_at", "-pk").first()

    def rest(self) -> Result:
        """Return when the next round begins."""
        waiting = self._rows().filter(poll_at__isnull=False)
        at = waiting.order_by("poll_at").values_list("poll_at", flat=True).first()
        if at is None:
            return Done(answered=self.answered)
        seconds = (at - database_now()).total_seconds()
        return Reschedule(max(seconds, PAUSE), answered=self.answered)

    def refresh(self, request: SignatureRequest) -> Result | None:
        """Poll one request, and whatever comes along with it; return what ends the round."""
        try:
            result = self._by_page_or_id(request)
        except CraftkitError as error:
            result = result_of_open(error)
        except time_limits():
            raise
        except Exception as error:
            # A mistake of ours about one of them must not hold up the others.
            logger.exception("Polling %s raised.", request.remote_id)
            result = Failed(Problem.of(error))
        if isinstance(result, Paused):
            return result
        if isinstance(result, Failed):
            return self._failed(request, result)
        self._failures = 0
        self.answered = True
        return None

    def _by_page_or_id(self, request: SignatureRequest) -> Result:
        if self._by_page and self._is_page_worthwhile(request):
            try:
                self._by_page = self._ask_page(request)
            except CraftkitError as error:
                if isinstance(result_of_open(error), Paused):
                    raise
                # One request on it that can't be read must not hold up the others.
                logger.warning("A page of Craftkit's signature requests did not come: %s", error)
                self._by_page = False
            except time_limits():
                raise
            except Exception:
                logger.exception("A page of Craftkit's signature requests could not be applied.")
                self._by_page = False
            if self._by_page:
                return Done(answered=True)
        return poll_or_cancel.refresh(self._job, request)

    def _failed(self, request: SignatureRequest, failure: Failed) -> Result | None:
        """Reschedule a request that could not be polled, so that others are."""
        problem = failure.problem
        why = problem.code or "no code"
        logger.warning("Craftkit did not tell of %s: %s", request.remote_id, why)
        self._failures += 1
        poll_at = database_now() + timedelta(seconds=MAX_POLL)
        # One that a webhook has told of meanwhile stays due.
        rows = self._rows().filter(pk=request.pk, poll_at__lte=self._started)
        rows.update(poll_at=poll_at)
        return failure if self._failures >= MAX_FAILURES else None

    def _is_page_worthwhile(self, request: SignatureRequest) -> bool:
        """Whether another one that is due, or will be soon, is among the hundred from there on."""
        if request.accepted_at is None:
            # Craftkit did not say when, so nobody knows where in its list it is.
            return False
        soon = self._started + timedelta(seconds=MAX_POLL / 2)
        rows = self._rows().filter(accepted_at__lte=request.accepted_at)
        page = rows.order_by("-accepted_at", "-pk").values_list("poll_at", flat=True)[:PAGE]
        return sum(at is not None and at <= soon for at in page) > 1

    def _ask_page(self, request: SignatureRequest) -> bool:
        """Apply a page that begins at a request; return whether the request was on it."""
        asked_at = database_now()
        # Strictly before the next millisecond: with those that were made together with it.
        made_at = to_utc(request.accepted_at)
        cursor = made_at and made_at + timedelta(milliseconds=1)
        page = self._client.signatures.list(limit=PAGE, cursor=cursor)
        warn_of_unreadable("signatures", self._job.project, page)
        states: dict[uuid.UUID | None, RemoteState] = {one.id: state_of(one) for one in page.items}
        rows = self._rows().filter(remote_id__in=states, status__in=SignatureRequest.OPEN)
        updates = [Update(row, states[row.remote_id], Change.Cause.POLL, asked_at) for row in rows]
        free = REQUESTS.apply_free(updates)
        for one in updates:
            if one.row.pk not in free:
                REQUESTS.apply_one(one)
        # One that is due and left out would be polled by the same page again.
        return any(one.row.pk == request.pk for one in updates)
