"""A lease that is renewed while a file comes or goes: a large one may take longer than it.

It is renewed as pieces are read, so what stands still is another worker's when the lease is over.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from django.core.files import File
from django.db import connections

from django_craftkit import conf, tenants
from django_craftkit.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes that are in memory at a time.
CHUNK = 64 * 1024


class TakenOver(Exception):
    """The job is another worker's by now: what this one does for it is of no use."""


class Renewal:
    """Leases a job anew whenever a quarter of its lease is over, as chunks are read.

    Without a job there is nothing to renew.
    """

    def __init__(self, job: Job | None = None) -> None:
        self._job = job
        self._renewed_at = monotonic()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._extend_elsewhere = tenants.bound(self._extend)

    def renew(self) -> None:
        """Lease the job anew, if it is time.

        Raises:
            TakenOver: somebody else has it.
        """
        with self._lock:
            if self._job is None or monotonic() - self._renewed_at < conf.options().LEASE / 4:
                return
            if threading.get_ident() == self._thread:
                self._extend(self._job)
                return
            try:
                # A storage may read in threads of its own, which have no connection, and no tenant.
                self._extend_elsewhere(self._job)
            finally:
                connections.close_all()

    def _extend(self, job: Job) -> None:
        if not Job.objects.extend(job, conf.lease()):
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


class RenewedFile(File):  # type: ignore[type-arg]
    """A file that a storage reads, in whatever thread; each piece raises as ``renew``."""

    def __init__(self, file: IO[bytes], name: str, renewal: Renewal) -> None:
        super().__init__(file, name)
        self._source, self._renewal = file, renewal

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all."""
        found = self._source.read(size)
        self._renewal.renew()
        return found
