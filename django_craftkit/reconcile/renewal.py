"""A lease that is renewed while a file comes: a large one, by a slow line, may take longer than it.

Craftkit's client ends a download that stands still, so what goes on here comes to an end.
"""

from __future__ import annotations

from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from django_craftkit import conf
from django_craftkit.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes that are in memory at a time.
CHUNK = 64 * 1024


class TakenOver(Exception):
    """The job is another worker's by now: what this one does for it is of no use."""


class Renewal:
    """Leases a job anew whenever a quarter of its lease is over, as chunks are read."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._renewed_at = monotonic()

    def renew(self) -> None:
        """Lease the job anew, if it is time.

        Raises:
            TakenOver: somebody else has it.
        """
        if monotonic() - self._renewed_at < conf.options().LEASE / 4:
            return
        if not Job.objects.extend(self._job, conf.lease()):
            raise TakenOver
        self._renewed_at = monotonic()

    def chunks(self, source: Any) -> Iterator[bytes]:
        """What is in a binary file, piece by piece; raises as ``renew``."""
        while chunk := source.read(CHUNK):
            yield chunk
            self.renew()

    def copy(self, source: Any, target: IO[bytes]) -> None:
        """Write what is in a binary file to another; raises as ``renew``."""
        for chunk in self.chunks(source):
            target.write(chunk)
