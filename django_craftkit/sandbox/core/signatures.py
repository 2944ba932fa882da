"""Signature requests as the sandbox remembers them: recipients, what happened, the project's list.

How far a request has come is worked out from what happened and from the clock, as for renders;
`signing.py` lets things happen. Moments are seconds since 1970 by the sandbox's clock.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .checks.signatures import Place
    from .projects import Project
    from .renders import Render

# What the provider takes if no `expirationHours` are asked for.
DEFAULT_HOURS: Final = 168


class Step(NamedTuple):
    """One line of the audit trail: when, what, and who if it was a recipient."""

    at: float
    what: str
    who: Recipient | None = None


@dataclass(eq=False, slots=True)
class Recipient:
    """Somebody who is to sign, to approve, or to get a copy; `url` is their page."""

    id: str
    first_name: str
    last_name: str | None
    email: str
    designation: str  # Signer, Approver, CC
    order: int
    token: str = field(repr=False)
    url: str = field(repr=False)
    viewed_at: float | None = None
    signed_at: float | None = None
    declined_at: float | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name or ''}".strip()

    @property
    def acts(self) -> bool:
        """Whether the request waits for them: a CC only gets a copy."""
        return self.designation != "CC"

    @property
    def acted(self) -> bool:
        """Whether they have signed, approved or declined."""
        return self.signed_at is not None or self.declined_at is not None


@dataclass(eq=False, slots=True)
class SignatureRequest:
    """One request: a render, who is to sign it, and what has come of it."""

    id: str
    render: Render
    name: str
    recipients: list[Recipient]
    fields: list[Place]
    anchor_tags: list[Place]
    expiration_hours: int | None
    idempotency_key: str | None
    created_at: float
    expires_at: float
    clock: Callable[[], float] = field(repr=False)
    trail: list[Step] = field(default_factory=list, repr=False)
    # The final status, once something has ended it; the clock ends it by itself.
    outcome: str | None = None
    error_message: str | None = None
    decline_reason: str | None = None
    completed_at: float | None = None
    # From when on the signed PDF and the certificate are there, once it is completed.
    signed_from: float | None = None
    certified_from: float | None = None

    @property
    def project(self) -> Project:
        """The project that it is in."""
        return self.render.project

    @property
    def status(self) -> str:
        """`sent`, `viewed`, `completed`, `declined`, `expired`, `cancelled` or `failed`, now."""
        if self.outcome is not None:
            return self.outcome
        if self.clock() >= self.expires_at:
            return "expired"
        viewed = any(recipient.viewed_at is not None for recipient in self.recipients)
        return "viewed" if viewed else "sent"

    @property
    def open(self) -> bool:
        """Whether somebody may still act."""
        return self.status in {"sent", "viewed"}

    @property
    def has_signed_pdf(self) -> bool:
        """Whether the signed PDF has been archived."""
        return self.signed_from is not None and self.clock() >= self.signed_from

    @property
    def has_certificate(self) -> bool:
        """Whether the certificate is there."""
        return self.certified_from is not None and self.clock() >= self.certified_from

    def recipient(self, email: str) -> Recipient:
        """Who has this address; of several the first who has still to act.

        Raises:
            ValueError: nobody has it.
        """
        found = [each for each in self.recipients if each.email.lower() == email.lower()]
        if not found:
            raise ValueError("no such recipient")
        return next((each for each in found if each.acts and not each.acted), found[0])

    @property
    def sort_key(self) -> tuple[int, str]:
        """`createdAt` as it is shown, to the millisecond, and the id among equals."""
        return round(self.created_at * 1000), self.id

    def __repr__(self) -> str:
        return f"<SignatureRequest {self.id} of render {self.render.id}: {self.status}>"


@dataclass(eq=False, slots=True)
class SignatureMail:
    """One e-mail that asks for a signature; `url` is the page on which it can be read."""

    id: str
    url: str
    request: SignatureRequest
    recipient: Recipient
    sent_at: float

    @property
    def to(self) -> str:
        """The address it went to."""
        return self.recipient.email

    @property
    def signing_url(self) -> str:
        """The recipient's page, which its link leads to."""
        return self.recipient.url

    def __repr__(self) -> str:
        return f"<SignatureMail {self.id} of {self.request.id}>"


class SignatureRequests:
    """The signature requests of one project."""

    def __init__(self) -> None:
        self._by_id: dict[str, SignatureRequest] = {}
        self._by_key: dict[str, SignatureRequest] = {}
        # Sorted: a page of a list is found by bisection, however many there are.
        self._sorted: list[tuple[int, str]] = []
        self._of_render: dict[str, list[tuple[int, str]]] = {}

    def __iter__(self) -> Iterator[SignatureRequest]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, request: SignatureRequest) -> None:
        """Remember a new one, and the key that made it."""
        self._by_id[request.id] = request
        if request.idempotency_key is not None:
            self._by_key[request.idempotency_key] = request
        insort(self._sorted, request.sort_key)
        insort(self._of_render.setdefault(request.render.id, []), request.sort_key)

    def get(self, request_id: str) -> SignatureRequest | None:
        """The one with this id."""
        return self._by_id.get(request_id)

    def made_by(self, key: str) -> SignatureRequest | None:
        """The one that an idempotency key has made."""
        return self._by_key.get(key)

    def page(
        self, limit: int, render_id: str | None, before_ms: int | None
    ) -> list[SignatureRequest]:
        """The newest of all, or of one render, that were made before a millisecond."""
        keys = self._sorted if render_id is None else self._of_render.get(render_id, [])
        end = len(keys) if before_ms is None else bisect_left(keys, (before_ms, ""))
        return [self._by_id[name] for _, name in reversed(keys[max(0, end - limit) : end])]

    def clear(self) -> None:
        """Forget all of them."""
        self._by_id.clear()
        self._by_key.clear()
        self._sorted.clear()
        self._of_render.clear()
