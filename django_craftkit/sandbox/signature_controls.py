"""Signatures in Python: what a test sets, sees, and does in the place of the recipients."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .core.signatures import SignatureMail, SignatureRequest
    from .core.state import State


class SignatureControls:
    """The part of `Sandbox` that is about signatures.

    What a recipient does raises ValueError if they can't: no such request or recipient, the
    request has ended, they have acted already, or they only get a copy.
    """

    state: State

    @property
    def signatures(self) -> list[SignatureRequest]:
        """All signature requests, in the order in which they came."""
        with self.state.lock:
            self.state.settle()
            return list(self.state.signatures())

    @property
    def signature_mails(self) -> list[SignatureMail]:
        """All e-mails that asked for a signature, in the order in which they were sent."""
        with self.state.lock:
            return list(self.state.signature_mails())

    @property
    def signature_credits(self) -> int | None:
        """How many more requests can be sent, by all projects; None: without end."""
        return self.state.signing.credits

    @signature_credits.setter
    def signature_credits(self, credits_left: int | None) -> None:
        self.state.signing.credits = credits_left

    @property
    def billed_signatures(self) -> int:
        """How many requests have been sent and billed; replays are not."""
        return self.state.signing.billed

    @property
    def archive_delay(self) -> float:
        """Seconds from the completion to the signed PDF and the certificate."""
        return self.state.signing.archive_delay

    @archive_delay.setter
    def archive_delay(self, seconds: float) -> None:
        self.state.signing.archive_delay = seconds

    @property
    def certificate_delay(self) -> float | None:
        """Seconds from the completion to the certificate; None: as `archive_delay`."""
        return self.state.signing.certificate_delay

    @certificate_delay.setter
    def certificate_delay(self, seconds: float | None) -> None:
        self.state.signing.certificate_delay = seconds

    @property
    def strict_anchors(self) -> bool:
        """Whether anchor tags are refused whose text isn't in the document; Craftkit takes them."""
        return self.state.signing.strict_anchors

    @strict_anchors.setter
    def strict_anchors(self, is_strict: bool) -> None:
        self.state.signing.strict_anchors = is_strict

    def view_signature(self, request_id: str, email: str) -> SignatureRequest:
        """The recipient opens their page.

        Args:
            request_id: as the API gave it.
            email: the recipient's address.

        Raises:
            ValueError: no such request or recipient; the request has ended.
        """
        with self._changing(request_id) as request:
            recipient = request.recipient(email)
            if not request.open:
                raise ValueError(f"this request has ended: {request.status}")
            self.state.signing.view(request, recipient)
        return request

    def sign(self, request_id: str, email: str) -> SignatureRequest:
        """The recipient signs, or approves; the last one completes the request.

        Args:
            request_id, email: as in `view_signature`.

        Raises:
            ValueError: as in `view_signature`; they have acted already, or only get a copy.
        """
        with self._changing(request_id) as request:
            self.state.signing.sign(request, request.recipient(email))
        return request

    def sign_all(self, request_id: str) -> SignatureRequest:
        """Everybody signs who hasn't, in their order: the request is completed.

        Args:
            request_id: as in `view_signature`.

        Raises:
            ValueError: no such request, or nobody is left to sign.
        """
        with self._changing(request_id) as request:
            waiting = [each for each in request.recipients if each.acts and not each.acted]
            if not request.open or not waiting:
                raise ValueError(f"nobody is left to sign: {request.status}")
            for recipient in sorted(waiting, key=lambda each: each.order):
                self.state.signing.sign(request, recipient)
        return request

    def decline(self, request_id: str, email: str, reason: str | None = None) -> SignatureRequest:
        """The recipient declines: the request has ended.

        Args:
            request_id, email: as in `view_signature`.
            reason: what they write; None: nothing.

        Raises:
            ValueError: as in `sign`.
        """
        with self._changing(request_id) as request:
            self.state.signing.decline(request, request.recipient(email), reason)
        return request

    def expire_signature(self, request_id: str) -> SignatureRequest:
        """The time of a request is up, now.

        Args:
            request_id: as in `view_signature`.

        Raises:
            ValueError: no such request, or it has ended.
        """
        with self._changing(request_id) as request:
            self.state.signing.expire(request)
        return request

    def fail_signature(
        self, request_id: str, message: str = "Processing failed."
    ) -> SignatureRequest:
        """The processing of a request fails; no webhook says so.

        Args:
            request_id: as in `view_signature`.
            message: what the API tells of it.

        Raises:
            ValueError: no such request, or it has ended.
        """
        with self._changing(request_id) as request:
            self.state.signing.fail(request, message)
        return request

    @contextmanager
    def _changing(self, request_id: str) -> Iterator[SignatureRequest]:
        with self.state.lock:
            self.state.settle()
            request = self.state.signature(str(request_id))
            if request is None:
                raise ValueError(f"no such signature request: {request_id}")
            yield request
