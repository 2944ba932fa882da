"""The signing flow of a signature request, from the sending to the end: each step, its webhook.

Called under the sandbox's lock. Whoever signs or declines has opened their page: `viewed` comes
first. Nobody waits for their turn: Craftkit e-mails all recipients at once, and says nothing of
`order` but that it is a permutation. The steps of `failed` and of the archive have no webhook.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from .errors import Refusal
from .ids import message_id, recipient_id, signing_token, uuid7
from .signatures import DEFAULT_HOURS, Recipient, SignatureMail, SignatureRequest, Step
from .webhooks.payloads import signature_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from .checks.signatures import NewRecipient, NewRequest
    from .faults import Faults
    from .renders import Render
    from .webhooks.deliveries import Outbox


class SigningFlow:
    """Lets requests be viewed, signed, declined, cancelled, expire and fail.

    Attributes:
        credits: how many more can be sent, by all projects; None: without end.
        billed: how many have been.
        archive_delay: seconds from the completion to the signed PDF and the certificate.
        certificate_delay: another delay for the certificate; None: the same.
        strict_anchors: refuse anchor tags whose text isn't in the document, as Craftkit does not.
    """

    def __init__(self, clock: Callable[[], float], faults: Faults, outbox: Outbox) -> None:
        self._clock = clock
        self._faults = faults
        self._outbox = outbox
        self.credits: int | None = None
        self.billed = 0
        self.archive_delay = 0.0
        self.certificate_delay: float | None = None
        self.strict_anchors = False
        self._by_token: dict[str, tuple[SignatureRequest, Recipient]] = {}
        self._mails: dict[str, SignatureMail] = {}
        # When each request runs out; the ended ones too, until their moment comes.
        self._expiries: list[tuple[float, str, SignatureRequest]] = []

    def at(self, token: str) -> tuple[SignatureRequest, Recipient] | None:
        """The request and the recipient that a token leads to."""
        return self._by_token.get(token)

    def mail(self, mail_id: str) -> SignatureMail | None:
        """The e-mail with this id."""
        return self._mails.get(mail_id)

    def send(
        self, render: Render, new: NewRequest, key: str | None, public_url: str
    ) -> SignatureRequest:
        """Bill a new request, remember it, e-mail all its recipients.

        Raises:
            Refusal: no credits are left, or the provider refuses.
        """
        if self.credits is not None and self.credits < 1:
            raise Refusal("signature_credits_exhausted", "No signature credits are left.")
        self._ask_provider("signature_send_failed", render)
        now = self._clock()
        request = SignatureRequest(
            id=uuid7(now),
            render=render,
            name=new.name or f"Signature request {render.id[:8]}",
            recipients=[_recipient(each, public_url) for each in new.recipients],
            fields=new.fields,
            anchor_tags=new.anchor_tags,
            expiration_hours=new.expiration_hours,
            idempotency_key=key,
            created_at=now,
            expires_at=now + (new.expiration_hours or DEFAULT_HOURS) * 3600,
            clock=self._clock,
        )
        self.billed += 1
        if self.credits is not None:
            self.credits -= 1
        request.project.signatures.add(request)
        heapq.heappush(self._expiries, (request.expires_at, request.id, request))
        request.trail.append(Step(now, "Sent"))
        for recipient in request.recipients:
            self._by_token[recipient.token] = (request, recipient)
            name = message_id()
            mail = SignatureMail(name, f"{public_url}/mail/{name}", request, recipient, now)
            self._mails[name] = mail
            request.project.signature_mails.append(mail)
        self._announce(request, "sent")
        return request

    def process(self, request: SignatureRequest) -> None:
        """What the provider does with a new request: it fails if it was told to."""
        fault = self._faults.for_template("signature_failed", request.render.template)
        if fault is not None:
            self.fail(request, fault.message)

    def view(self, request: SignatureRequest, recipient: Recipient) -> None:
        """The recipient opens their page; announced if they are the first of all."""
        if recipient.viewed_at is not None or not request.open:
            return
        first = request.status == "sent"
        recipient.viewed_at = self._clock()
        request.trail.append(Step(recipient.viewed_at, "Viewed", recipient))
        if first:
            self._announce(request, "viewed")

    def sign(self, request: SignatureRequest, recipient: Recipient) -> None:
        """The recipient signs, or approves; the last one completes the request.

        Raises:
            ValueError: they can't, or not any more.
        """
        self._check(request, recipient)
        self.view(request, recipient)
        recipient.signed_at = now = self._clock()
        what = "Signed" if recipient.designation == "Signer" else "Approved"
        request.trail.append(Step(now, what, recipient))
        self._announce(request, "signed")
        if all(other.signed_at is not None for other in request.recipients if other.acts):
            self._complete(request, now)

    def decline(self, request: SignatureRequest, recipient: Recipient, reason: str | None) -> None:
        """The recipient declines, and that is the end of the request.

        Raises:
            ValueError: they can't, or not any more.
        """
        self._check(request, recipient)
        self.view(request, recipient)
        recipient.declined_at = self._clock()
        request.decline_reason = reason
        request.trail.append(Step(recipient.declined_at, "Declined", recipient))
        request.outcome = "declined"
        self._announce(request, "declined", reason)

    def cancel(self, request: SignatureRequest, reason: str | None) -> None:
        """The sender takes it back.

        Raises:
            Refusal: it has ended already, or the provider refuses.
        """
        if not request.open:
            raise Refusal("conflict", f"Signature request is already {request.status}.")
        self._ask_provider("signature_cancel_failed", request.render)
        self._end(request, "cancelled", "Cancelled")
        request.error_message = reason
        self._announce(request, "cancelled", reason)

    def fail(self, request: SignatureRequest, message: str) -> None:
        """The processing fails; nobody is told.

        Raises:
            ValueError: it has ended already.
        """
        self._end(request, "failed", "Failed")
        request.error_message = message

    def expire(self, request: SignatureRequest) -> None:
        """The time is up, whatever was agreed.

        Raises:
            ValueError: it has ended already.
        """
        self._end(request, "expired", "Expired")
        request.expires_at = self._clock()
        self._announce(request, "expired")

    def settle(self) -> None:
        """Announce what has expired since somebody last looked."""
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            at, _, request = heapq.heappop(self._expiries)
            if request.outcome is None:
                request.outcome = "expired"
                request.trail.append(Step(at, "Expired"))
                self._announce(request, "expired")

    def next_event(self) -> float | None:
        """When a request may expire next."""
        return self._expiries[0][0] if self._expiries else None

    def clear(self) -> None:
        """Forget every request; the delays stay."""
        self.billed = 0
        self._by_token.clear()
        self._mails.clear()
        self._expiries.clear()

    def _complete(self, request: SignatureRequest, now: float) -> None:
        late = self.archive_delay if self.certificate_delay is None else self.certificate_delay
        request.outcome = "completed"
        request.completed_at = now
        request.signed_from = now + self.archive_delay
        request.certified_from = now + late
        request.trail.append(Step(now, "Completed"))
        self._announce(request, "completed")

    def _end(self, request: SignatureRequest, outcome: str, what: str) -> None:
        if not request.open:
            raise ValueError(f"this request has ended: {request.status}")
        request.outcome = outcome
        request.trail.append(Step(self._clock(), what))

    def _ask_provider(self, kind: str, render: Render) -> None:
        fault = self._faults.for_template(kind, render.template)
        if fault is not None:
            raise Refusal("signature_provider_error", fault.message)

    def _check(self, request: SignatureRequest, recipient: Recipient) -> None:
        if not recipient.acts:
            raise ValueError("a CC only gets a copy")
        if not request.open:
            raise ValueError(f"this request has ended: {request.status}")
        if recipient.acted:
            raise ValueError("this recipient has acted already")

    def _announce(self, request: SignatureRequest, what: str, reason: str | None = None) -> None:
        # Most projects of a benchmark have nobody who listens.
        if request.project.subscriptions:
            self._outbox.announce(request.project, signature_payload(request, what, reason))


def _recipient(new: NewRecipient, public_url: str) -> Recipient:
    token = signing_token()
    return Recipient(id=recipient_id(), token=token, url=f"{public_url}/sign/{token}", **new)
