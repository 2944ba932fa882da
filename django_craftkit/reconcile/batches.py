"""What is done for many jobs of a kind at a time: their rows read, and written, together.

The thread of a loop plans calls for jobs that it has claimed, an executor makes them, and the
thread applies the answers in groups, as they come. Calls touch no database. Functions of the
project's own are called while it plans, for as long as they are quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from django_craftkit.models import Job

from .results import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .executor import Answer, Call
    from .timings import Budget

#: A job, and how its step ended.
Ended = tuple[Job, Result]


class Batch(Protocol):
    #: Whether its calls can be repeated where nobody knows how they ended. Of others no more are
    #: planned than begin at once.
    is_repeatable: bool

    def plan(self, jobs: Sequence[Job], budget: Budget) -> Iterable[Call | Ended | Job]:
        """Return the call to make for each of these jobs, or how its step ends without one.

        A job that is returned as it is is carried out by itself.
        """

    def apply(self, answers: Sequence[Answer]) -> Iterable[Ended]:
        """Write what calls of this batch have answered; return how the steps end."""
