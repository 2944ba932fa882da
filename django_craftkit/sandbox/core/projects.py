"""Projects: what each one holds. Moments are seconds since 1970 by the sandbox's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .ids import uuid4
from .signatures import SignatureRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .emails import Mail
    from .renders import Render
    from .shares import Share
    from .signatures import SignatureMail
    from .templates import Template
    from .webhooks.deliveries import Subscription


@dataclass(eq=False)
class Project:
    """One Craftkit project: nothing in it is seen from another one."""

    name: str
    id: str = field(default_factory=uuid4)
    templates: dict[str, Template] = field(default_factory=dict)
    deleted_templates: list[Template] = field(default_factory=list)
    renders: dict[str, Render] = field(default_factory=dict)
    by_key: dict[str, Render] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    signatures: SignatureRequests = field(default_factory=SignatureRequests)
    signature_mails: list[SignatureMail] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    # Without it no e-mail can be sent: 503 `email_not_configured`.
    email_configured: bool = True
    # Without it nothing can be sent out for signature: 503 `signatures_unavailable`.
    signatures_configured: bool = True

    def shares(self) -> Iterator[Share]:
        """All share links of the project, oldest render first."""
        for render in self.renders.values():
            yield from render.shares

    def clear(self) -> None:
        """As new, but for the subscriptions."""
        self.templates.clear()
        self.deleted_templates.clear()
        self.renders.clear()
        self.by_key.clear()
        self.mails.clear()
        self.signatures.clear()
        self.signature_mails.clear()
        self.email_configured = True
        self.signatures_configured = True

    def __repr__(self) -> str:
        return f"<Project {self.name!r}>"
