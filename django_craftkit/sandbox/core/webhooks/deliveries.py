"""Outgoing webhooks: the subscriptions, the signature, and the outbox with its retries.

signatures-webhooks-embed.md, section 2. A delivery is due, is tried up to six times with a
growing delay, and ends `delivered` or `abandoned`. The body is written once, so every attempt
sends the same bytes under the same delivery id; only the timestamp is fresh. Nothing here opens
a connection: `Outbox.claim` says what to send, `Outbox.report` hears what came of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django_craftkit.sandbox.core.ids import uuid4

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from django_craftkit.sandbox.core.faults import Faults
    from django_craftkit.sandbox.core.projects import Project

#: The events that a webhook can be subscribed to.
EVENTS: Final = (
    "render.succeeded",
    "render.failed",
    "signature.sent",
    "signature.viewed",
    "signature.signed",
    "signature.completed",
    "signature.declined",
    "signature.expired",
    "signature.cancelled",
    "document.share_created",
    "document.share_revoked",
    "document.email_sent",
    "document.email_opened",
    "document.viewed",
    "document.downloaded",
    "document.printed",
    "form.submitted",
)
# Seconds before the second to sixth attempt; the documentation names six attempts, no delays.
RETRY_DELAYS: Final = (5.0, 30.0, 120.0, 600.0, 1800.0)


def sign(secret: str, body: bytes) -> str:
    """The `x-craftkit-signature` of a body: lower-case hex of HMAC-SHA256 over the raw bytes.

    Source: https://docs.craftkit.dev/guides/webhooks

    Args:
        secret: the subscription's.
        body: as it is sent.
    """
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Subscription:
    """Who hears of which events: `events` is None for all 17."""

    url: str
    secret: str = field(repr=False)
    events: frozenset[str] | None = None
    id: str = field(default_factory=uuid4)

    def wants(self, event: str) -> bool:
        """Whether this event goes there."""
        return self.events is None or event in self.events


@dataclass(frozen=True)
class Attempt:
    """One try to deliver: a status, or what went wrong before there was one."""

    at: float
    status: int | None
    error: str = ""


@dataclass(eq=False)
class Delivery:
    """One event on its way to one subscription."""

    subscription: Subscription
    event: str
    body: bytes = field(repr=False)
    due_at: float
    sequence: float
    id: str = field(default_factory=uuid4)
    status: str = "pending"  # pending, delivered, abandoned, dropped
    attempts: list[Attempt] = field(default_factory=list)
    in_flight: bool = False
    # Told to arrive out of order: not before this one has been tried.
    after: Delivery | None = None

    @property
    def url(self) -> str:
        """Where it goes."""
        return self.subscription.url

    @property
    def payload(self) -> dict[str, Any]:
        """The body, parsed."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    def headers(self, now: float) -> dict[str, str]:
        """The headers of an attempt at this moment."""
        return {
            "Content-Type": "application/json",
            "User-Agent": "Craftkit-Webhook/1.0",
            "X-Craftkit-Event": self.event,
            "X-Craftkit-Signature": sign(self.subscription.secret, self.body),
            "X-Craftkit-Timestamp": str(int(now)),
            "X-Craftkit-Delivery-Id": self.id,
        }

    def is_due(self, now: float) -> bool:
        """Whether it may be tried now."""
        if self.status != "pending" or self.in_flight:
            return False
        if self.after is not None:
            return bool(self.after.attempts) or self.after.status != "pending"
        return now >= self.due_at


class Outbox:
    """All deliveries, sent or not, oldest first; to be used under the sandbox's lock."""

    def __init__(
        self,
        clock: Callable[[], float],
        faults: Faults,
        wake: threading.Condition,
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._wake = wake
        self._retry_delays = tuple(retry_delays)
        self._deliveries: list[Delivery] = []
        self._pending: set[Delivery] = set()
        self._held: dict[str, Delivery] = {}  # by subscription: waits for its follower
        self._sequence = 0

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._deliveries)

    def clear(self) -> None:
        """Forget every delivery; one that is being sent is sent all the same."""
        self._deliveries.clear()
        self._pending.clear()
        self._held.clear()

    def announce(self, project: Project, payload: Mapping[str, object]) -> None:
        """Queue an event for each subscription of the project that wants it."""
        event = str(payload["event"])
        body = json.dumps(payload, separators=(",", ":")).encode()
        for subscription in project.subscriptions:
            if subscription.wants(event):
                self._queue(subscription, event, body)
        self._wake.notify_all()

    def _queue(self, subscription: Subscription, event: str, body: bytes) -> None:
        fault = self._faults.for_webhook(event)
        delivery = self._append(Delivery(subscription, event, body, self._clock(), 0))
        held = self._held.pop(subscription.id, None)
        if held is not None and not held.attempts:
            held.after = delivery
            held.due_at, held.sequence = delivery.due_at, delivery.sequence + 0.5
        match fault.kind if fault else "":
            case "webhook_dropped":
                self._end(delivery, "dropped")
            case "webhook_doubled":
                self._append(
                    Delivery(subscription, event, body, delivery.due_at, 0, id=delivery.id)
                )
            case "webhook_reordered" if fault:
                delivery.due_at += fault.seconds
                self._held[subscription.id] = delivery
            case "webhook_delayed" if fault:
                delivery.due_at += fault.seconds

    def _append(self, delivery: Delivery) -> Delivery:
        self._sequence += 1
        delivery.sequence = self._sequence
        self._deliveries.append(delivery)
        self._pending.add(delivery)
        return delivery

    def _end(self, delivery: Delivery, status: str) -> None:
        delivery.status = status
        self._pending.discard(delivery)

    def claim(self, at_once: int | None = None) -> Delivery | None:
        """The next delivery that is due, marked as in flight; None if there is none.

        `at_once` is the most that one subscription may have in flight: the rest of the senders
        are kept for receivers that are not slow.
        """
        now = self._clock()
        busy = Counter(delivery.subscription.id for delivery in self._pending if delivery.in_flight)
        due = (
            delivery
            for delivery in self._pending
            if delivery.is_due(now)
            and (at_once is None or busy[delivery.subscription.id] < at_once)
        )
        first = min(due, key=lambda delivery: (delivery.due_at, delivery.sequence), default=None)
        if first is not None:
            first.in_flight = True
        return first

    def report(self, delivery: Delivery, status: int | None, error: str = "") -> None:
        """What came of a claimed delivery: any 2xx ends it, anything else is tried again."""
        now = self._clock()
        delivery.in_flight = False
        delivery.after = None
        delivery.attempts.append(Attempt(now, status, error))
        if status is not None and 200 <= status < 300:
            self._end(delivery, "delivered")
        elif len(delivery.attempts) > len(self._retry_delays):
            self._end(delivery, "abandoned")
        else:
            delivery.due_at = now + self._retry_delays[len(delivery.attempts) - 1]
        self._wake.notify_all()

    def next_due(self) -> float | None:
        """When the next delivery that is not in flight is due; None if none is waiting."""
        waiting = [d.due_at for d in self._pending if not d.in_flight]
        return min(waiting, default=None)


def known_events(events: Collection[str] | None) -> frozenset[str] | None:
    """The events of a subscription; None is all.

    Raises:
        ValueError: Craftkit has no such event.
    """
    if events is None:
        return None
    unknown = sorted(set(events) - set(EVENTS))
    if unknown:
        raise ValueError(f"unknown events: {', '.join(unknown)}")
    return frozenset(events)
