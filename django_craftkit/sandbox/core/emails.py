"""E-mails: the link to a render, sent to somebody (section 10). Nothing leaves the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import engagement, shares
from .errors import Refusal
from .ids import message_id

if TYPE_CHECKING:
    from .engagement import Caller
    from .renders import Render
    from .shares import Share
    from .state import State


@dataclass(eq=False)
class Mail:
    """One e-mail that was sent (section 10); `url` is the page on which it can be read."""

    id: str  # the `emailMessageId`
    url: str
    to: str
    recipient_name: str | None
    message: str | None
    share: Share
    sent_at: float

    @property
    def open_count(self) -> int:
        """How often its tracking pixel has been loaded."""
        return sum(
            event.type == "email_opened" and event.share is self.share
            for event in self.share.render.events
        )

    def __repr__(self) -> str:
        return f"<Mail {self.id} with share {self.share.id}>"


def send(
    state: State,
    render: Render,
    caller: Caller,
    *,
    to: str,
    recipient_name: str | None,
    message: str | None,
    expires_at: float | None,
) -> Mail:
    """Send a new link; one that the provider does not send leaves its link behind.

    Raises:
        Refusal: e-mail is not configured, the render has not succeeded, the provider refuses.
    """
    if not render.project.email_configured:
        raise Refusal("email_not_configured", "E-mail is not configured.")
    share = shares.create(
        state, render, caller, channel="email", recipient=to, message=message, expires_at=expires_at
    )
    fault = state.faults.for_template("email_send_failed", render.template)
    if fault is not None:
        raise Refusal("email_send_failed", fault.message)
    sent_as = message_id()
    mail = Mail(
        id=sent_as,
        url=f"{state.public_url}/mail/{sent_as}",
        to=to,
        recipient_name=recipient_name,
        message=message,
        share=share,
        sent_at=state.clock(),
    )
    render.project.mails.append(mail)
    engagement.record(
        state, render, "email_sent", caller, actor="partner", share=share, at=mail.sent_at
    )
    return mail
