"""What a test sees of Craftkit: what it has at the moment at which the test looks.

None of these is a row of this site: they are named for where they are, as ``remote_id`` is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from .moments import from_seconds, maybe_from_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from django_craftkit import sandbox


@dataclass(frozen=True)
class RemoteRender:
    """A document at Craftkit.

    Attributes:
        id: Craftkit's id, which the row has as ``remote_id``.
        project: the alias of its project.
        template: the slug of its template.
        version: the version of the template.
        data: what it is made of, as Craftkit has taken it.
        filename: the name of its PDF; "" where none was given.
        status: ``queued``, ``rendering``, ``succeeded`` or ``failed``.
        error_message: why it failed; "" where it has not.
        created_at: when it was accepted.
        completed_at: when it succeeded or failed; None before.
    """

    id: str
    project: str
    template: str
    version: int
    data: Mapping[str, Any]
    filename: str
    status: str
    error_message: str
    created_at: datetime
    completed_at: datetime | None
    _write: Callable[[], bytes] = field(repr=False, compare=False)

    @classmethod
    def of(cls, there: sandbox.Render) -> Self:
        """Return what is seen of a sandbox's."""
        return cls(
            id=there.id,
            project=there.project.name,
            template=there.template,
            version=there.version.number,
            data=there.data,
            filename=there.filename or "",
            status=there.status,
            error_message=there.error_message or "",
            created_at=from_seconds(there.created_at),
            completed_at=maybe_from_seconds(there.progress.completed_at),
            _write=there.pdf,
        )

    def pdf(self) -> bytes:
        """Return the PDF, which is written when it is first wanted: that takes some 50 ms."""
        return self._write()


@dataclass(frozen=True)
class RemoteShare:
    """A link at Craftkit.

    Attributes:
        id: Craftkit's id, which the row has as ``remote_id``.
        render_id: Craftkit's id of the document.
        url: the address of the link.
        channel: ``link``; ``email`` where it is meant for one recipient.
        recipient_email: whom it is meant for; "" where it is for anybody.
        message: what the recipient reads; "" where there is none.
        expires_at: when it ends by itself; None: never.
        created_at: when it was made.
        revoked_at: when it was revoked; None: it is not.
        click_count: how often recipients have opened it.
    """

    id: str
    render_id: str
    url: str
    channel: str
    recipient_email: str
    message: str
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    click_count: int

    @classmethod
    def of(cls, there: sandbox.Share) -> Self:
        """Return what is seen of a sandbox's."""
        return cls(
            id=there.id,
            render_id=there.render.id,
            url=there.url,
            channel=there.channel,
            recipient_email=there.recipient_email or "",
            message=there.message or "",
            expires_at=maybe_from_seconds(there.expires_at),
            created_at=from_seconds(there.created_at),
            revoked_at=maybe_from_seconds(there.revoked_at),
            click_count=there.click_count,
        )

    @property
    def revoked(self) -> bool:
        """Whether it was revoked."""
        return self.revoked_at is not None


@dataclass(frozen=True)
class SentEmail:
    """An e-mail that Craftkit has sent with a link.

    Attributes:
        id: Craftkit's id of the e-mail.
        to: the address it was sent to.
        recipient_name: the name it was sent to; "" where none was given.
        message: what it says; "" where there is none.
        share: the link that is in it.
        url: a page of the sandbox that shows it.
        sent_at: when it was sent.
        open_count: how often it was opened.
    """

    id: str
    to: str
    recipient_name: str
    message: str
    share: RemoteShare
    url: str
    sent_at: datetime
    open_count: int

    @classmethod
    def of(cls, there: sandbox.Mail) -> Self:
        """Return what is seen of a sandbox's."""
        return cls(
            id=there.id,
            to=there.to,
            recipient_name=there.recipient_name or "",
            message=there.message or "",
            share=RemoteShare.of(there.share),
            url=there.url,
            sent_at=from_seconds(there.sent_at),
            open_count=there.open_count,
        )


@dataclass(frozen=True)
class RemoteRecipient:
    """Who is to sign, to approve, or to get a copy.

    Attributes:
        id: Craftkit's id of the recipient.
        first_name: as it was requested.
        last_name: as it was requested; "" where none was given.
        email: the address that the request was mailed to.
        designation: ``Signer``, ``Approver`` or ``CC``.
        order: whose turn it is, from 1.
        url: the page on which they sign.
        viewed_at: when they opened it first; None: not yet.
        signed_at: when they signed or approved; None: not yet.
        declined_at: when they declined; None: they have not.
    """

    id: str
    first_name: str
    last_name: str
    email: str
    designation: str
    order: int
    url: str
    viewed_at: datetime | None
    signed_at: datetime | None
    declined_at: datetime | None

    @classmethod
    def of(cls, there: sandbox.Recipient) -> Self:
        """Return what is seen of a sandbox's."""
        return cls(
            id=there.id,
            first_name=there.first_name,
            last_name=there.last_name or "",
            email=there.email,
            designation=there.designation,
            order=there.order,
            url=there.url,
            viewed_at=maybe_from_seconds(there.viewed_at),
            signed_at=maybe_from_seconds(there.signed_at),
            declined_at=maybe_from_seconds(there.declined_at),
        )


@dataclass(frozen=True)
class RemoteSignatureRequest:
    """A signature request at Craftkit.

    Attributes:
        id: Craftkit's id, which the row has as ``remote_id``.
        render_id: Craftkit's id of the document that is signed.
        name: what it is called.
        status: ``sent``, ``viewed``, ``completed``, ``declined``, ``expired``, ``cancelled`` or
            ``failed``.
        recipients: who is to act, as they were named.
        fields: where they sign, by place, in Craftkit's words.
        anchor_tags: where they sign, by the text that stands there, in Craftkit's words.
        created_at: when it was sent.
        expires_at: when the time to sign is over.
        completed_at: when the last recipient signed; None: not yet.
        decline_reason: what was written by who declined; "" where nobody has.
        error_message: why it failed, or the reason of its cancellation; "" where there is none.
    """

    id: str
    render_id: str
    name: str
    status: str
    recipients: tuple[RemoteRecipient, ...]
    fields: Sequence[Mapping[str, Any]]
    anchor_tags: Sequence[Mapping[str, Any]]
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    decline_reason: str
    error_message: str

    @classmethod
    def of(cls, there: sandbox.SignatureRequest) -> Self:
        """Return what is seen of a sandbox's."""
        return cls(
            id=there.id,
            render_id=there.render.id,
            name=there.name,
            status=there.status,
            recipients=tuple(map(RemoteRecipient.of, there.recipients)),
            fields=there.fields,
            anchor_tags=there.anchor_tags,
            created_at=from_seconds(there.created_at),
            expires_at=from_seconds(there.expires_at),
            completed_at=maybe_from_seconds(there.completed_at),
            decline_reason=there.decline_reason or "",
            error_message=there.error_message or "",
        )
