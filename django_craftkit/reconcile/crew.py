"""Who makes the calls of a loop: threads of its own, or the thread that the loop runs in."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django_craftkit.models import Job

    from .batches import Batch
    from .room import Room


@dataclass(frozen=True, slots=True)
class Call:
    """Something that takes its time, done for one job, or for several one after another."""

    jobs: Sequence[Job]
    make: Callable[[], Any]
    #: What goes on from the answer, and what it has to know for that.
    batch: Batch | None = None
    about: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, or raised."""

    call: Call
    value: Any = None
    error: BaseException | None = None


class Crew(Protocol):
    """Makes calls, and gives back their answers."""

    #: How many calls have been started whose answers nobody has got yet.
    under_way: int

    @property
    def free(self) -> int:
        """How many more calls would be made at once."""

    def start(self, call: Call) -> None:
        """Make a call, where ``free`` is not zero."""

    def answers(self, seconds: float) -> list[Answer]:
        """Return the answers that have come; wait for the first of them for ``seconds``."""

    def close(self) -> None:
        """Wait for the calls under way, and let go of what they used."""


class Alone:
    """The loop's own thread: a call is over when it has been started."""

    def __init__(self) -> None:
        self.under_way = 0
        self._answers: list[Answer] = []

    @property
    def free(self) -> int:
        return 1 - self.under_way

    def start(self, call: Call) -> None:
        self._answers.append(made(call))
        self.under_way += 1

    def answers(self, seconds: float) -> list[Answer]:
        answers, self._answers = self._answers, []
        self.under_way = 0
        return answers

    def close(self) -> None:
        """Nothing is under way."""


class Threads:
    """So many threads at most, each with its own connections, begun as they are needed.

    What they do is beside what others do in ``room``.
    """

    def __init__(self, size: int, room: Room) -> None:
        self.under_way = 0
        self._size = size
        self._room = room
        self._threads: list[threading.Thread] = []
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    @property
    def free(self) -> int:
        return self._size - self.under_way

    def start(self, call: Call) -> None:
        self.under_way += 1
        self._room.enter()
        if self.under_way > len(self._threads):
            name = f"craftkit-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name))
            self._threads[-1].start()
        self._calls.put(call)

    def answers(self, seconds: float) -> list[Answer]:
        answers: list[Answer] = []
        try:
            answers.append(self._answers.get(block=seconds > 0, timeout=seconds))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            self.under_way -= len(answers)
            return answers

    def close(self) -> None:
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                answer = _answer(call)
                self._room.leave()
                self._answers.put(answer)
        finally:
            connections.close_all()


def made(call: Call) -> Answer:
    """Make a call in this thread, and return its answer."""
    try:
        return Answer(call, call.make())
    except SoftTimeLimitExceeded:
        # It is not about this call: the worker is about to be ended.
        raise
    except Exception as error:
        return Answer(call, error=error)


def _answer(call: Call) -> Answer:
    try:
        return Answer(call, call.make())
    except BaseException as error:
        return Answer(call, error=error)
