"""How a step can end, and what an error from Craftkit means for the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_craftkit.client import (
    AuthenticationError,
    CraftkitError,
    CreditsExhausted,
    PermissionDenied,
    RateLimited,
)
from django_craftkit.client.retry import backoff
from django_craftkit.failures import is_outage, time_limits
from django_craftkit.log import get_logger
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem, StepError

if TYPE_CHECKING:
    from django_craftkit.models import Job

logger = get_logger(__name__)

#: Codes that are the project's fault, not the row's, and the capability that is lacking.
_PROJECT_CODES = {
    "queue_unavailable": "",
    "signatures_unavailable": "signatures",
    "signature_credits_exhausted": "signatures",
    "email_not_configured": "email",
}
#: Seconds between two tries of a paused project, at least and at most.
MIN_PROBE_DELAY, MAX_PROBE_DELAY = 1.0, 60.0
#: Seconds between two tries of a job, at most.
MAX_DELAY = 900.0
#: Seconds to the next look at what waits for something else.
PARKED = 900.0


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""

    #: Craftkit has answered, which ends a pause of its project.
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Something is left to do, in ``after`` seconds."""

    after: float
    problem: Problem = NO_PROBLEM
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The step did not get through; it is retried with growing delays."""

    problem: Problem
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """The project is at fault: all of it, or of a capability, waits, and one job probes."""

    code: str
    reason: str
    after: float | None = None
    capability: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """The step has not begun: its turn comes in ``after`` seconds, as if nothing had happened."""

    after: float = 0.0
    #: ``None``: what was said of it before.
    problem: Problem | None = None


Result = Done | Reschedule | Failed | Paused | Later


def result_of_error(job: Job, error: BaseException) -> Failed | Paused:
    """Tell what an error means for the job whose step raised it.

    Raises it where it is not about the job: the worker is about to be ended, and the lease leaves
    the job to another.
    """
    if isinstance(error, time_limits()) or not isinstance(error, Exception):
        raise error
    if isinstance(error, CraftkitError):
        return result_of(error)
    if isinstance(error, ImproperlyConfigured):
        return Paused(ErrorCode.NOT_CONFIGURED, str(error))
    if isinstance(error, StepError):
        logger.warning("The step of %s is retried: %s", job, error)
        return Failed(error.problem)
    # A mistake of ours must not lose a document: it is logged, shown and retried.
    if is_outage(error):
        logger.warning("The step of %s is retried: %s", job, error)
    else:
        logger.error("The step of %s raised.", job, exc_info=error)
    return Failed(Problem.of(error))


def result_of(error: CraftkitError) -> Failed | Paused:
    """Tell the project's fault from a passing one; a row's own fault is its step's business."""
    capability = _PROJECT_CODES.get(error.code)
    if capability is None and not isinstance(
        error, (AuthenticationError, PermissionDenied, CreditsExhausted, RateLimited)
    ):
        return Failed(Problem.of(error), error.retry_after)
    code = error.code or str(error.status)
    return Paused(code, str(error), error.retry_after, capability or "")


def result_of_open(error: CraftkitError) -> Failed | Paused:
    """Tell what an error means for a request that is out: a lack of credits is none of its own."""
    result = result_of(error)
    if isinstance(result, Paused) and result.capability:
        return Failed(Problem(result.code, result.reason), result.after)
    return result


def retry_delay(failures: int) -> float:
    """Return the seconds before the next try of a job, after ``failures`` in a row."""
    return 0.5 + backoff(failures, base=1.0, cap=MAX_DELAY)


def look_delay(age: float, least: float, most: float) -> float:
    """Return the seconds to the next look at what is ``age`` seconds old, ever more of them."""
    return min(max(least, age / 6), most)


def probe_delay(probes: int) -> float:
    """Return the seconds before the next try of a paused project."""
    return min(5.0 * 2.0 ** min(probes, 8), MAX_PROBE_DELAY)
