"""E-mails: Craftkit makes a link to a render and mails it to somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.client.encoding import given, path
from django_craftkit.client.limits import check_address, check_moment, check_text
from django_craftkit.client.transport import Resource
from django_craftkit.client.types import SentEmail

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Emails(Resource):
    """The e-mails with renders of the project that the key belongs to."""

    def send(
        self,
        render_id: UUID | str,
        to: str,
        *,
        recipient_name: str | None = None,
        message: str | None = None,
        expires_at: datetime | None = None,
    ) -> SentEmail:
        """Mail a link to a render. Each call makes one more share and sends one more mail.

        Craftkit has no idempotency key for it. It is retried only where Craftkit proved that it did
        nothing; if this raises with `maybe_handled`, look with `engagement.read` and `shares.list`
        before the next call.

        Source: https://docs.craftkit.dev/api-reference/email-render

        Args:
            render_id: as Craftkit gave it.
            to: one address, without a name.
            recipient_name: up to 200 characters.
            message: up to 2,000 characters; stands in the mail.
            expires_at: of the link; aware; None is never.

        Raises:
            InvalidData: one of these is not so; it is named, and nothing was sent.
            NotFound: no such render.
            Conflict: the render has not succeeded (`not_ready`).
            ServerError: `email_send_failed` (502): the mail was not taken, but its link may exist;
                `maybe_handled` is True. `email_not_configured` (503): Craftkit can send no mail and
                did nothing; `maybe_handled` is False, and it is not retried.
        """
        check_address("to", to)
        for name, text, most in (
            ("recipient_name", recipient_name, 200),
            ("message", message, 2_000),
        ):
            if text is not None:
                check_text(name, text, 0, most)
        if expires_at is not None:
            check_moment("expires_at", expires_at)
        optional = given(recipientName=recipient_name, message=message, expiresAt=expires_at)
        return self._transport.call(
            "POST",
            path("v1", "renders", render_id, "email"),
            lambda answer, status: SentEmail.from_json(answer),
            json={"to": to, **optional},
        )
