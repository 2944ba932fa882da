"""The metrics for Prometheus. Needs ``django-craftkit[prometheus]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import Error
from prometheus_client.core import GaugeMetricFamily

from . import tenants
from .log import get_logger
from .metrics import snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .metrics import Snapshot

    Sample = tuple[str, tuple[str, ...], float]

logger = get_logger(__name__)

#: What each gauge says, and its labels.
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "craftkit_worker_seen_seconds": ("Seconds since a worker was seen to run.", ("project",)),
    "craftkit_swept_seconds": ("Seconds since the last sweep.", ("project",)),
    "craftkit_webhook_heard_seconds": ("Seconds since the last webhook.", ("project",)),
    "craftkit_paused_seconds": (
        "For how many seconds a project, or a capability of it, has been paused; 0 if it is not.",
        ("project", "capability"),
    ),
    "craftkit_paused_setting": ("Whether CRAFTKIT['PAUSED'] is on.", ()),
    "craftkit_problems": ("How many problems the health has.", ()),
    "craftkit_jobs_due": ("Jobs that wait for a worker, by class.", ("priority",)),
    "craftkit_oldest_job_seconds": (
        "For how long the oldest due job has waited for a worker, by class.",
        ("priority",),
    ),
    "craftkit_jobs_quarantined": ("Jobs that ended several workers.", ()),
    "craftkit_webhooks_due": ("Webhooks that are to be processed.", ()),
    "craftkit_oldest_webhook_seconds": ("For how long the oldest of them has waited.", ()),
    "craftkit_webhooks_abandoned": ("Webhooks that were given up.", ()),
    "craftkit_signals_abandoned": ("Signals that a receiver did not take.", ()),
    "craftkit_renders": ("Documents under way, by status.", ("status",)),
    "craftkit_renders_overdue": ("Documents that take too long.", ()),
    "craftkit_renders_failed": ("Documents that failed in the last 30 days.", ()),
    "craftkit_signature_requests_open": ("Signature requests somebody is to sign.", ()),
}


class CraftkitCollector:
    """Reads the metrics from the database at each scrape.

    Register it in the registry of the view that is scraped, once; whichever process answers tells
    the same, so that it needs no multiprocess mode and fits beside one. All are gauges.

    Where ``CRAFTKIT["TENANTS"]`` is set, each has a label more, ``tenant``.
    """

    def __init__(self, only: Collection[str] = ()) -> None:
        """Read ``only`` these tenants; by default that of the request, and outside of all, all."""
        self._only = only

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the names alone: the database is not read when it is registered."""
        yield from _families().values()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges of this moment.

        Raises:
            DatabaseError: the database can't be read: the scrape fails, and Prometheus says so. Of
                several tenants, that which can't be read has a problem, and nothing else.
        """
        families = _families()
        if not tenants.are_used():
            for name, labels, value in _samples(snapshot()):
                families[name].add_metric(labels, value)
        for tenant in self._tenants():
            for name, labels, value in _samples_of(tenant):
                families[name].add_metric((tenant, *labels), value)
        yield from families.values()

    def _tenants(self) -> Collection[str]:
        if not tenants.are_used():
            return ()
        here = tenants.entered()
        return self._only or ([here] if here else tenants.names())


def _families() -> dict[str, GaugeMetricFamily]:
    of_tenant = ("tenant",) if tenants.are_used() else ()
    return {
        name: GaugeMetricFamily(name, text, labels=(*of_tenant, *labels))
        for name, (text, labels) in GAUGES.items()
    }


def _samples_of(tenant: str) -> list[Sample]:
    with tenants.enter(tenant):
        try:
            return list(_samples(snapshot()))
        except Error as error:
            tenants.refuse_in_transaction(error)
            logger.error("The numbers of %r can't be read: %s", tenant, type(error).__name__)
            return [("craftkit_problems", (), 1.0)]


def _samples(found: Snapshot) -> Iterator[Sample]:
    health = found.health
    for one in health.projects:
        moments = {
            "craftkit_worker_seen_seconds": one.worker_seen,
            "craftkit_swept_seconds": one.swept,
            "craftkit_webhook_heard_seconds": one.webhook_heard,
        }
        # What has never been has no age, and no sample.
        yield from ((name, (one.alias,), age) for name, age in moments.items() if age is not None)
        for capability in ("", "email", "signatures"):
            labels = (one.alias, capability or "everything")
            yield "craftkit_paused_seconds", labels, one.paused.get(capability, 0.0)
    for name, number in found.due_jobs.items():
        yield "craftkit_jobs_due", (name,), number
    for name, age in health.oldest_job.items():
        yield "craftkit_oldest_job_seconds", (name,), age or 0.0
    for status, number in found.renders.items():
        yield "craftkit_renders", (status,), number
    numbers = {
        "craftkit_paused_setting": health.is_paused,
        "craftkit_problems": len(health.problems),
        "craftkit_jobs_quarantined": found.quarantined_jobs,
        "craftkit_webhooks_due": found.due_webhooks,
        "craftkit_oldest_webhook_seconds": health.oldest_webhook or 0.0,
        "craftkit_webhooks_abandoned": found.abandoned_webhooks,
        "craftkit_signals_abandoned": found.abandoned_signals,
        "craftkit_renders_overdue": found.overdue_renders,
        "craftkit_renders_failed": found.failed_renders,
        "craftkit_signature_requests_open": found.open_signature_requests,
    }
    yield from ((name, (), float(number)) for name, number in numbers.items())
