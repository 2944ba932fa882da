"""Signatures: renders that are sent out to be signed, and what has become of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID  # noqa: TC003 - typing.get_type_hints reads these classes

from django_craftkit.client.download import fetch
from django_craftkit.client.encoding import checked_key, given, iso, path, query
from django_craftkit.client.envelope import check_signature, check_text
from django_craftkit.client.errors import InvalidResponse
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.limits import check_whole
from django_craftkit.client.transport import Resource
from django_craftkit.untrusted import JsonObject  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django_craftkit.client.download import Download
    from django_craftkit.client.envelope import AnchorTag, Recipient, SignatureField


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRecipient(Answer):
    """Somebody whom a document was sent to, and what they have done.

    Source: https://docs.craftkit.dev/api-reference/get-signature
    """

    id: str
    """What the signature service calls them; `""` if Craftkit does not say."""
    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    email: str = field(repr=False)
    designation: str
    """`Signer`, `Approver`, `CC`, one that is new to us, or `""` if Craftkit does not say."""
    order: int | None
    signed_at: datetime | None
    declined_at: datetime | None
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "recipient")
        return cls(
            id=fields.maybe_text("id") or "",
            first_name=fields.maybe_text("firstName") or "",
            last_name=fields.maybe_text("lastName") or "",
            email=fields.maybe_text("email") or "",
            designation=fields.maybe_text("designation") or "",
            order=fields.maybe_count("order"),
            signed_at=fields.maybe_moment("signedAt"),
            declined_at=fields.maybe_moment("declinedAt"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRequest(Answer):
    """A render that was sent out to be signed.

    Source: https://docs.craftkit.dev/api-reference/get-signature
    """

    id: UUID
    render_id: UUID | None
    name: str
    status: str
    """`sent`, `viewed`, `completed`, `declined`, `expired`, `cancelled`, `failed`, or one that is
    new to us. One recipient who signs does not change it."""
    recipients: tuple[SignatureRecipient, ...]
    """As Craftkit noted them; may be empty. Without those that can't be read."""
    expiration_hours: int | None
    is_signed_available: bool
    """Whether `signed_pdf` has it; can come after `completed`."""
    is_certificate_available: bool
    """Whether `certificate` has it; can come after `completed`."""
    error_message: str | None = field(repr=False)
    """Of a failure; the reason of a cancelled one."""
    created_at: datetime | None
    completed_at: datetime | None = None
    replayed: bool = False
    """True if the idempotency key was known and Craftkit answered with what it had."""

    @classmethod
    def from_json(cls, body: object, *, replayed: bool = False) -> Self:
        fields = Fields(body, "signature request")
        return cls(
            id=fields.uuid("id"),
            render_id=fields.maybe_uuid("renderId"),
            name=fields.maybe_text("name") or "",
            status=fields.text("status"),
            recipients=fields.maybe_rows("recipients", SignatureRecipient.from_json),
            expiration_hours=fields.maybe_count("expirationHours"),
            is_signed_available=bool(fields.maybe_text("signedDownloadUrl")),
            is_certificate_available=bool(fields.maybe_text("certificateUrl")),
            error_message=fields.maybe_text("errorMessage"),
            created_at=fields.maybe_moment("createdAt"),
            completed_at=fields.maybe_moment("completedAt"),
            replayed=replayed,
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePage(Answer):
    """A part of the list. Source: https://docs.craftkit.dev/api-reference/list-signatures

    Nothing may be concluded from what is missing in it while something is `unreadable`.
    """

    items: tuple[SignatureRequest, ...]
    """The newest first. Requests without an id or status that can be read are left out of it."""
    next_cursor: str | None
    """As Craftkit sent it. May be there although `has_more` is False."""
    has_more: bool
    """Where Craftkit does not say so in a way that can be read: whether it sent a cursor."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "list")
        has_more = fields.maybe_flag("hasMore")
        next_cursor = fields.maybe_text("nextCursor") or None
        if has_more is None:
            has_more = next_cursor is not None or "nextCursor" in fields.unreadable()
        return cls(
            items=fields.rows("signatures", SignatureRequest.from_json),
            next_cursor=next_cursor,
            has_more=has_more,
            **fields.rest(),
        )

    @property
    def is_empty(self) -> bool:
        """Whether Craftkit listed nothing, be it readable or not."""
        return not self.items and "signatures" not in self.unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureNotice(Answer):
    """That something happened to a signature request: too little to know what it is like now.

    `Signatures.get` tells the rest. The name and the recipients of `signature.sent` are not kept.

    Source: https://docs.craftkit.dev/guides/webhooks
    """

    event: str
    """`signature.sent`, …, or one that is new to us."""
    id: UUID
    """Of the signature request."""
    render_id: UUID | None
    status: str | None
    """Of the request; None where Craftkit does not say."""
    reason: str | None = field(repr=False)
    """Why it was declined or cancelled, if somebody said so."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_webhook(cls, payload: object) -> Self:
        """From the body of a `signature.*` delivery.

        Source: https://docs.craftkit.dev/guides/webhooks

        Args:
            payload: the object that the body's JSON stands for.

        Raises:
            InvalidResponse: the event or the id is missing or can't be read; it is named.
        """
        fields = Fields(payload, "signature event")
        fields.drop("name", "recipients")
        return cls(
            event=fields.text("event"),
            id=fields.uuid("signatureRequestId"),
            render_id=fields.maybe_uuid("renderId"),
            status=fields.maybe_text("status"),
            reason=fields.maybe_text("reason"),
            **fields.rest(),
        )


class Signatures(Resource):
    """The signature requests of the project that the key belongs to."""

    def create(
        self,
        render_id: UUID | str,
        recipients: Sequence[Recipient],
        *,
        fields: Sequence[SignatureField] = (),
        anchor_tags: Sequence[AnchorTag] = (),
        name: str | None = None,
        expires_in_hours: int | None = None,
        idempotency_key: str,
    ) -> SignatureRequest:
        """Send a render out to be signed. This mails its recipients, and is billed.

        Source: https://docs.craftkit.dev/api-reference/create-signature

        Args:
            render_id: as Craftkit gave it.
            recipients: 1 to 20.
            fields: up to 200 places of pages. If anybody is a `Signer`, one of these or one of
                `anchor_tags` is needed.
            anchor_tags: up to 200 texts of the PDF.
            name: 1 to 255 characters; without it Craftkit makes one of the render's id.
            expires_in_hours: 1 to 8,760; without it the signature service's, which is 168.
            idempotency_key: printable ASCII characters. The same key is the same
                request, for ever: the answer is `replayed`, and nobody is mailed again.

        Raises:
            InvalidSignatureRequest: beyond one of these; its `field` names it, nothing was sent.
            InvalidData: the key can't be one; nothing was sent.
            InvalidRequest: `invalid_request`; `document_too_large` (413): the PDF is over 20 MB.
            NotFound: no such render.
            Conflict: the render has not succeeded, or has no PDF (`conflict`).
            CreditsExhausted: `signature_credits_exhausted`.
            ServerError: `signature_provider_error` (502): the signature service did not take it;
                whether nobody was mailed is not known; the call may be retried with the same key.
                `signatures_unavailable` (503): Craftkit can't send for signature and did nothing;
                `maybe_handled` is False, and it is not retried.
        """
        check_signature(recipients, fields, anchor_tags, name, expires_in_hours)
        body = given(
            renderId=str(render_id),
            name=name,
            recipients=[recipient.as_json() for recipient in recipients],
            fields=[place.as_json() for place in fields] or None,
            anchorTags=[tag.as_json() for tag in anchor_tags] or None,
            expirationHours=expires_in_hours,
        )
        return self._transport.call(
            "POST",
            path("v1", "signatures"),
            lambda answer, status: SignatureRequest.from_json(answer, replayed=status == 200),
            json=body,
            idempotency_key=checked_key(idempotency_key),
        )

    def get(self, id: UUID | str) -> SignatureRequest:  # noqa: A002 - its name in the API
        """A signature request with its status.

        Source: https://docs.craftkit.dev/api-reference/get-signature

        Args:
            id: of the request, as Craftkit gave it.

        Raises:
            NotFound: no such request in the project of the key.
        """
        return self._transport.get(path("v1", "signatures", id), SignatureRequest.from_json)

    def list(
        self,
        *,
        render_id: UUID | str | None = None,
        limit: int = 100,
        cursor: str | datetime | None = None,
    ) -> SignaturePage:
        """One page of the signature requests, the newest first.

        Source: https://docs.craftkit.dev/api-reference/list-signatures

        Args:
            render_id: only those of this render.
            limit: 1 to 100.
            cursor: `next_cursor` of the page before, or an aware moment: lists only what was made
                before it. May leave out requests that were made in the same millisecond as the
                last one of that page; `get` finds them.

        Raises:
            InvalidData: another limit, or a naive moment; nothing was sent.
            InvalidRequest: Craftkit knows no such cursor (`invalid_request`).
        """
        check_whole("limit", limit, 1, 100)
        cursor = iso(cursor) if isinstance(cursor, datetime) else cursor
        return self._transport.get(
            path("v1", "signatures"),
            SignaturePage.from_json,
            query=query(limit=limit, renderId=render_id, cursor=cursor),
        )

    def pages(
        self, *, render_id: UUID | str | None = None, limit: int = 100
    ) -> Iterator[SignaturePage]:
        """All pages of `list`, each requested when it is wanted; no empty ones.

        Source: https://docs.craftkit.dev/api-reference/list-signatures

        Args:
            render_id: only those of this render.
            limit: of one page, 1 to 100.

        Raises:
            InvalidResponse: a cursor came twice, so that the list would never end, or can't be
                read, so that nobody knows how it goes on; the pages up to there have been given.
        """
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = self.list(render_id=render_id, limit=limit, cursor=cursor)
            if page.is_empty:
                return
            yield page
            if not page.has_more:
                return
            cursor = page.next_cursor
            if "nextCursor" in page.unreadable:
                raise self._endless("goes on behind a cursor that can't be read")
            if cursor is None:
                return
            if cursor in seen:
                raise self._endless("goes in a circle")
            seen.add(cursor)

    def _endless(self, how: str) -> InvalidResponse:
        return InvalidResponse(
            f"Craftkit's list of signature requests {how}.",
            method="GET",
            path=path("v1", "signatures"),
        )

    def each(
        self, *, render_id: UUID | str | None = None, limit: int = 100
    ) -> Iterator[SignatureRequest]:
        """The requests of all `pages`, the newest first.

        Source: https://docs.craftkit.dev/api-reference/list-signatures

        Args:
            render_id: only those of this render.
            limit: of one page, 1 to 100.

        Raises:
            InvalidResponse: see `pages`.
        """
        for page in self.pages(render_id=render_id, limit=limit):
            yield from page.items

    def cancel(
        self,
        id: UUID | str,  # noqa: A002 - its name in the API
        reason: str | None = None,
    ) -> SignatureRequest:
        """Stop a signature request that is under way.

        Craftkit has no idempotency key for it. It is retried only where Craftkit proved that it
        did nothing; if this raises with `maybe_handled`, or `Conflict`, `get` tells its status.

        Source: https://docs.craftkit.dev/api-reference/cancel-signature

        Args:
            id: of the request, as Craftkit gave it.
            reason: up to 500 characters; becomes `error_message`.

        Raises:
            InvalidSignatureRequest: another reason; nothing was sent.
            NotFound: no such request.
            Conflict: it has ended, perhaps by an earlier cancel (`conflict`).
            ServerError: `signature_provider_error` (502): the signature service did not do it.
        """
        if reason is not None:
            check_text("reason", reason, 0, 500)
        return self._transport.call(
            "POST",
            path("v1", "signatures", id, "cancel"),
            lambda answer, status: SignatureRequest.from_json(answer),
            json=None if reason is None else {"reason": reason},
        )

    def signed_pdf(
        self,
        id: UUID | str,  # noqa: A002 - its name in the API
        *,
        max_bytes: int | None = None,
    ) -> Download:
        """The signed PDF, as a file to be read and closed. Never from `signedDownloadUrl`.

        Source: https://docs.craftkit.dev/api-reference/download-signature

        Args:
            id: of the request, as Craftkit gave it.
            max_bytes: of the PDF; without it the client's `max_download_bytes`.

        Raises:
            NotFound: no such request.
            Conflict: it is not there yet; may be for a while after `completed` (`conflict`).
            InvalidResponse: what came is no PDF, or is larger, be it found out while reading.
        """
        return fetch(self._transport, path("v1", "signatures", id, "download"), max_bytes)

    def certificate(
        self,
        id: UUID | str,  # noqa: A002 - its name in the API
        *,
        max_bytes: int | None = None,
    ) -> Download:
        """The record of who signed when, a PDF, as a file to be read and closed.

        Source: https://docs.craftkit.dev/api-reference/get-certificate

        Args:
            id: of the request, as Craftkit gave it.
            max_bytes: of the PDF; without it the client's `max_download_bytes`.

        Raises:
            NotFound: no such request.
            Conflict: it is not there yet; may be for a while after `completed` (`conflict`).
            ServerError: Craftkit did not get it from the signature service (`upstream_error`).
            InvalidResponse: what came is no PDF, or is larger, be it found out while reading.
        """
        return fetch(self._transport, path("v1", "signatures", id, "certificate"), max_bytes)
