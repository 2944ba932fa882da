"""Shares: links that open a render until they are revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client.encoding import given, path
from django_craftkit.client.errors import InvalidData
from django_craftkit.client.fields import Listed
from django_craftkit.client.limits import check_moment
from django_craftkit.client.transport import Resource
from django_craftkit.client.types import Revocation, Share

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Shares(Resource):
    """The shares of the renders of the project that the key belongs to."""

    def create(
        self,
        render_id: UUID | str,
        *,
        channel: str = "link",
        recipient_email: str | None = None,
        message: str | None = None,
        expires_at: datetime | None = None,
    ) -> Share:
        """Make a link. Each call makes one more, and Craftkit has no idempotency key for it.

        It is retried only where Craftkit proved that it made none; if this raises with
        `maybe_handled`, look with `list` before the next call.

        Source: https://docs.craftkit.dev/api-reference/create-share

        Args:
            render_id: as Craftkit gave it.
            channel: `link`, or `email`, which notes the recipient and mails nothing.
            recipient_email: needed for `email`.
            message: up to 2,000 characters.
            expires_at: aware; None is never.

        Raises:
            InvalidData: no recipient for `email`, or a naive date; nothing was sent.
            NotFound: no such render.
            Conflict: the render has not succeeded (`not_ready`).
        """
        if channel == "email" and not recipient_email:
            raise InvalidData("A share by e-mail needs the recipient's address.")
        if expires_at is not None:
            check_moment("expires_at", expires_at)
        optional = given(recipientEmail=recipient_email, message=message, expiresAt=expires_at)
        return self._transport.call(
            "POST",
            path("v1", "renders", render_id, "shares"),
            lambda answer, status: Share.from_json(answer),
            json={"channel": channel, **optional},
        )

    def list(self, render_id: UUID | str) -> Listed[Share]:
        """All shares of a render, the newest first, revoked ones too.

        One whose id or address can't be read is left out: it is in the list's `unreadable`, and
        while that is not empty, no share is known to be missing.

        Source: https://docs.craftkit.dev/api-reference/list-shares

        Args:
            render_id: as Craftkit gave it.

        Raises:
            NotFound: no such render.
        """
        return self._transport.get(
            path("v1", "renders", render_id, "shares"),
            lambda body: Listed.from_json(body, "shares", Share.from_json),
        )

    def revoke(self, render_id: UUID | str, share_id: UUID | str) -> Revocation:
        """Revoke a link, at once and for good.

        Source: https://docs.craftkit.dev/api-reference/revoke-share

        Args:
            render_id: of the render that the link leads to.
            share_id: of the link.

        Raises:
            NotFound: no such share, or revoked already, be it by an earlier try of this very
                call: then `maybe_handled` is True. `list` tells which.
        """
        return self._transport.delete(
            path("v1", "renders", render_id, "shares", share_id), Revocation.from_json
        )
