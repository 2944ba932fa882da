"""What carries out each kind of job: one at a time, and many in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger
from django_craftkit.models import Job

from . import announcements, archive, completing, engagement, renders, shares, signatures, templates
from .results import Result, result_of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .batches import Batch, Ended
    from .executor import Answer, Call
    from .timings import Budget

logger = get_logger(__name__)

STEPS: dict[str, Callable[[Job], Result]] = {
    Job.Kind.RENDER: renders.send.step,
    Job.Kind.SHARE: shares.links.step,
    Job.Kind.EMAIL: shares.emails.step,
    Job.Kind.ENGAGEMENT: engagement.step,
    Job.Kind.SUPERSEDE: renders.supersede.step,
    Job.Kind.ADOPT: renders.adopt.step,
    Job.Kind.SEND_SIGNATURE: signatures.send.step,
    Job.Kind.POLL_OR_CANCEL: signatures.poll_or_cancel.step,
    Job.Kind.POLL_SIGNATURES: signatures.poll.step,
    Job.Kind.ARCHIVE_SIGNATURE: archive.keep_signed,
    Job.Kind.ARCHIVE_RENDER: archive.keep_render,
    Job.Kind.TEMPLATES: templates.step,
    Job.Kind.BATCH: completing.step,
    **dict.fromkeys(announcements.KINDS, announcements.step),
}

#: What is done for many jobs at a time, in the thread of the loop. The executor makes the calls.
BATCHES: dict[str, Batch] = {
    Job.Kind.RENDER: renders.send.DOCUMENTS,
    **dict.fromkeys(announcements.KINDS, announcements.ANNOUNCEMENTS),
    Job.Kind.SEND_SIGNATURE: signatures.send.SENDING,
    Job.Kind.POLL_OR_CANCEL: signatures.poll_or_cancel.POLL_OR_CANCEL,
    Job.Kind.SHARE: shares.links.LINKS,
    Job.Kind.EMAIL: shares.emails.MAILS,
}


def plan(batch: Batch, jobs: Sequence[Job], budget: Budget) -> Sequence[Call | Ended | Job]:
    """Return what a batch plans; the jobs themselves where one of them breaks it."""
    try:
        return list(batch.plan(jobs, budget))
    except time_limits():
        raise
    except Exception:
        logger.exception("A batch of %d jobs is taken apart.", len(jobs))
        return jobs


def apply(batch: Batch, answers: Sequence[Answer]) -> Iterator[Ended]:
    """Return how the steps end whose calls have answered, also where that raises."""
    left = {answer.call.jobs[0].pk: answer.call.jobs[0] for answer in answers}
    try:
        for job, result in batch.apply(answers):
            del left[job.pk]
            yield job, result
    except Exception as error:
        for job in left.values():
            yield job, result_of_error(job, error)
