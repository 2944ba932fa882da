"""What goes out of a document: links, e-mails, signature requests; who has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

    from django_craftkit.signing import AnchorTag, Recipient, SignatureField

    from .engagement import EngagementEvent, EngagementEventManager
    from .share import Share
    from .share_manager import ShareManager
    from .signature import SignatureRequest
    from .signature_manager import SignatureRequestManager

    class _Shares(RelatedManager[Share], ShareManager): ...  # type: ignore[misc]

    class _SignatureRequests(RelatedManager[SignatureRequest], SignatureRequestManager): ...  # type: ignore[misc]

    class _Events(RelatedManager[EngagementEvent], EngagementEventManager): ...  # type: ignore[misc]


class Sendable(models.Model):
    """What can be sent to somebody, each time by a row that refers to it."""

    if TYPE_CHECKING:
        shares: _Shares
        signature_requests: _SignatureRequests
        events: _Events

    class Meta:
        abstract = True

    def share(
        self,
        *,
        message: str = "",
        expires_at: datetime | None = None,
        channel: str = "link",
        recipient_email: str = "",
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Share:
        """Ask for a link to the document; it is made as soon as the document is ready.

        ``message`` has at most 2,000 characters, ``expires_at`` is an aware moment (``None``:
        never). The same ``key`` gets the same link; without one each call makes another.
        ``channel="email"`` records for whom the link is (nothing is mailed) and needs
        ``recipient_email``. ``wait`` carries it out before returning, for that many seconds at
        most (``True``: 30); what is not done by then is the worker's. ``user`` is who the history
        says asked for it.

        Raises ``ValueError`` or ``ValidationError`` for what can't be sent, and
        ``RenderWithdrawn``.
        """
        return self.shares.request(
            message=message,
            expires_at=expires_at,
            channel=channel,
            recipient_email=recipient_email,
            key=key,
            user=user,
            wait=wait,
        )

    def email(
        self,
        to: str,
        *,
        recipient_name: str = "",
        message: str = "",
        expires_at: datetime | None = None,
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> Share:
        """Have Craftkit mail a link of its own to one person, as soon as the document is ready.

        ``to`` is one address, without a name; ``recipient_name`` has at most 200 characters.
        ``message``, ``expires_at``, ``user`` and ``wait`` are as in ``share``. The same
        ``key`` is the same mail, and raises ``KeyConflict`` for another person, name or message;
        without one, what it says and to whom is the key, so that a double click mails once.

        A mail that may have gone out is never sent again by itself: what can't be settled is
        ``unknown`` and waits for a person (``Share.confirm_mailed``, ``Share.retry``).
        """
        return self.shares.request(
            message=message,
            expires_at=expires_at,
            channel="email",
            recipient_email=to,
            recipient_name=recipient_name,
            by_mail=True,
            key=key,
            user=user,
            wait=wait,
        )

    def send_for_signature(
        self,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField] = (),
        anchor_tags: Sequence[AnchorTag] = (),
        name: str = "",
        expires_in: timedelta | None = None,
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> SignatureRequest:
        """Have Craftkit send the document out to be signed, as soon as it is ready.

        ``recipients`` are 1 to 20; where any of them signs, ``fields`` or ``anchor_tags`` say
        where. ``name`` has at most 255 characters and is what the people read; ``expires_in`` is
        1 hour to a year, in whole hours (``None``: a week). ``user`` and ``wait`` are as in
        ``share``.

        The same ``key`` and the same values are the same request, for ever. Without a key, the
        name and the people (addresses and roles) are the key until the request has ended, so that
        a double click sends once; after that the call asks for a new one, unless all have signed.

        Raises ``InvalidSignatureRequest``, which names the field, ``RenderWithdrawn``, and
        ``KeyConflict`` where other values are asked for under the key while its request is under
        way, or signed: its ``differences`` name them. Once that one is cancelled, declined,
        expired, failed or rejected, other values are a new request.
        """
        return self.signature_requests.request(
            recipients,
            fields=fields,
            anchor_tags=anchor_tags,
            name=name,
            expires_in=expires_in,
            key=key,
            user=user,
            wait=wait,
        )

    def record(self, kind: str, metadata: dict[str, Any] | None = None) -> None:
        """Tell Craftkit that this site showed the document to somebody.

        ``kind`` is ``"viewed"``, ``"downloaded"`` or ``"printed"``; ``metadata`` is JSON and is
        stored as it is, at Craftkit too. Craftkit counts what comes twice within five minutes once.
        """
        self.events.request(kind, metadata)
