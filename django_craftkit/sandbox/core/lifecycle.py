"""How a render gets from `queued` to its end, and when (renders-templates.md, section 7).

Nothing runs in the background: how far a render has come is worked out from the clock, or from
the polls it has seen, whenever somebody asks. A test that moves its clock sees it at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Polls:
    """A `render_time` counted in GETs: `Polls(2)` answers two of them before the end shows."""

    unfinished: int


# Seconds of the clock (0: done at once), a number of polls, or None: never, until `finish()`.
RenderTime = float | Polls | None


class Progress:
    """How far one render has come."""

    def __init__(
        self, clock: Callable[[], float], render_time: RenderTime, failure: str | None = None
    ) -> None:
        self._clock = clock
        self._polls_seen = 0
        self._polls_needed: int | None = None
        self._ends_at: float | None = None
        self._failure = failure
        self.started_at = clock()
        match render_time:
            case Polls(unfinished):
                self._polls_needed = unfinished
            case None:
                pass
            case seconds:
                self._ends_at = self.started_at + seconds

    @property
    def status(self) -> str:
        """`queued`, `rendering`, `succeeded` or `failed`, now."""
        if self.finished:
            return "succeeded" if self._failure is None else "failed"
        if self._ends_at is not None:
            in_queue = (self._ends_at - self.started_at) / 4
            return "rendering" if self._clock() >= self.started_at + in_queue else "queued"
        if self._polls_needed is not None and self._polls_seen >= min(2, self._polls_needed):
            return "rendering"
        return "queued"

    @property
    def finished(self) -> bool:
        """Whether the status is final."""
        return self._ends_at is not None and self._clock() >= self._ends_at

    @property
    def ends_at(self) -> float | None:
        """The moment of the end, past or to come; None if that is not settled yet."""
        return self._ends_at

    @property
    def completed_at(self) -> float | None:
        """The moment of the end, once it has come."""
        return self._ends_at if self.finished else None

    @property
    def error_message(self) -> str | None:
        """Why it failed; None before the end and after success."""
        return self._failure if self.finished else None

    def poll(self) -> None:
        """Somebody asks over the API: one of the polls that `Polls` counts."""
        if self._polls_needed is None or self._ends_at is not None:
            return
        self._polls_seen += 1
        if self._polls_seen > self._polls_needed:
            self._ends_at = self._clock()

    def finish(self, error_message: str | None = None) -> None:
        """End it now, whatever was planned: succeeded, or failed with a message.

        Raises:
            ValueError: it has ended already, and an end is final.
        """
        if self.finished:
            raise ValueError(f"this render has ended: {self.status}")
        self._failure = error_message
        self._ends_at = self._clock()
