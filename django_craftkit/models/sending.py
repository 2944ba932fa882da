"""What goes out of a document: links, e-mails, signature requests; who has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.urls import reverse

from django_craftkit.functions import alters_data
from django_craftkit.twins import async_twin

from .downloading import GuestLink, seconds_of
from .exceptions import RenderWithdrawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

    from django_craftkit.signing import AnchorTag, Recipient, SignatureField

    from .columns import NullableMoment
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

    shares: _Shares
    signature_requests: _SignatureRequests
    events: _Events
    withdrawn_at: NullableMoment

    class Meta:
        abstract = True

    @alters_data
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
        """Request a link to the document; it is made as soon as the document is ready.

        Source: https://docs.craftkit.dev/api-reference/create-share

        Args:
            message: up to 2,000 characters.
            expires_at: aware, where ``USE_TZ`` is on; None: never.
            channel: ``"link"``, or ``"email"``, which records for whom the link is and needs
                ``recipient_email``; nothing is mailed.
            recipient_email: one address, without a name.
            key: up to 255 characters. The same key gets the same link; without one each call makes
                another.
            user: who the history says requested it.
            wait: seconds to carry it out before returning (True: 30), outside of any transaction;
                what is not done by then is the worker's.

        Raises:
            KeyConflict: the key stands for another link.
            RenderWithdrawn: the document was withdrawn.
            ValidationError: the address is none.
            ValueError: one of the others can't be sent.
        """
        wanted = self.shares.model(
            message=message,
            expires_at=expires_at,
            channel=channel,
            recipient_email=recipient_email,
        )
        return self.shares.request(wanted, key=key, user=user, wait=wait)

    ashare = async_twin(share)

    @alters_data
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
        """Have Craftkit mail a link of its own to one recipient, as soon as the document is ready.

        A mail that may have gone out is never sent again by itself: what can't be settled is
        ``unknown`` and waits for a user (``Share.confirm_mailed``, ``Share.retry``).

        Source: https://docs.craftkit.dev/api-reference/email-render

        Args:
            to: one address, without a name.
            recipient_name: up to 200 characters.
            key: up to 255 characters. The same key is the same mail. Without one, address and
                message are the key: a double click mails once.
            message, expires_at, user, wait: as in ``share``.

        Raises:
            KeyConflict: the key stands for another recipient, name or message.
            RenderWithdrawn: as in ``share``, like ``ValidationError`` and ``ValueError``.
        """
        wanted = self.shares.model(
            message=message,
            expires_at=expires_at,
            channel="email",
            recipient_email=to,
            recipient_name=recipient_name,
            by_mail=True,
        )
        return self.shares.request(wanted, key=key, user=user, wait=wait)

    aemail = async_twin(email)

    @alters_data
    def send_for_signature(
        self,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField] = (),
        anchor_tags: Sequence[AnchorTag] = (),
        name: str = "",
        expires_in: timedelta | None = None,
        check: bool = True,
        key: str | None = None,
        user: AbstractBaseUser | None = None,
        wait: float = False,
    ) -> SignatureRequest:
        """Have Craftkit send the document out to be signed, as soon as it is ready.

        Source: https://docs.craftkit.dev/api-reference/create-signature

        Args:
            recipients: 1 to 20.
            fields: up to 200. Where anybody signs, they or ``anchor_tags`` say where.
            anchor_tags: up to 200.
            name: what the recipients read, up to 255 characters.
            expires_in: 1 hour to a year, in whole hours; None: a week.
            check: whether the texts of ``anchor_tags`` are looked up in the PDF first, as
                ``CRAFTKIT["CHECK_ANCHORS"]`` says; False: it is sent whatever is in there.
            key: up to 255 characters. The same key and values are the same request, for ever.
                Without one, the name and the recipients (addresses and roles) are the key until
                the request has ended: a double click sends once. After that the call makes a new
                one, unless all have signed.
            user, wait: as in ``share``.

        Raises:
            InvalidSignatureRequest: one of these can't be sent; it names the field.
            RenderWithdrawn: the document was withdrawn.
            KeyConflict: the request of the key is under way or signed, and has other values,
                which ``differences`` names. Once it has ended in another way, other values are a
                new request.
        """
        return self.signature_requests.request(
            recipients,
            fields=fields,
            anchor_tags=anchor_tags,
            name=name,
            expires_in=expires_in,
            check=check,
            key=key,
            user=user,
            wait=wait,
        )

    asend_for_signature = async_twin(send_for_signature)

    def get_download_url(
        self, *, guest: bool = False, expires: float | timedelta | None = None
    ) -> str:
        """Return this site's own address of the PDF, without scheme and host.

        Whoever opens it needs the right that ``CRAFTKIT["DOWNLOAD_PERMISSION"]`` names. With
        ``guest`` the address is signed, and whoever has it may open it until it expires, or the
        document is withdrawn. It is one of this attempt: after a ``retry`` it opens nothing.

        Args:
            guest: whether the address is to work without a login.
            expires: seconds, or a ``timedelta``; with ``guest``, and only then.

        Raises:
            NoReverseMatch: ``django_craftkit.urls`` is included nowhere.
            RenderWithdrawn: a guest's link is requested of a document that was withdrawn.
            ValueError: ``expires`` is missing, not above 0, later than any calendar has, or there
                without ``guest``.
        """
        if not guest:
            if expires is not None:
                raise ValueError("Only a guest's link expires: write guest=True, too.")
            return reverse("craftkit:download", args=[self.pk])
        seconds = seconds_of(expires)
        if self.withdrawn_at is not None:
            raise RenderWithdrawn(f"{self} was withdrawn: nobody gets a link to it any more.")
        return reverse("craftkit:guest_download", args=[GuestLink.to(self, seconds).token])

    @alters_data
    def record(self, kind: str, metadata: dict[str, Any] | None = None) -> None:
        """Tell Craftkit that this site showed the document to somebody.

        Craftkit counts once what comes twice within five minutes.

        Source: https://docs.craftkit.dev/api-reference/track-event

        Args:
            kind: ``"viewed"``, ``"downloaded"`` or ``"printed"``.
            metadata: JSON, stored as it is, at Craftkit, too.

        Raises:
            ValueError: another kind, no JSON, or a document that nobody can have seen yet.
        """
        self.events.request(kind, metadata)

    arecord = async_twin(record)
