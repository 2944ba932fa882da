"""Projects: what each one holds. Moments are seconds since 1970 by the sandbox's clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .ids import uuid4
from .signatures import SignatureRequests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .catalogs import Catalog
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
    # All versions of each name, oldest first.
    catalogs: dict[str, list[Catalog]] = field(default_factory=dict)
    subscriptions: list[Subscription] = field(default_factory=list)
    # Without it no e-mail can be sent: 503 `email_not_configured`.
    email_configured: bool = True
    # Without it nothing can be sent out for signature: 503 `signatures_unavailable`.
    signatures_configured: bool = True
    # Without it the embed API knows no key and no session of the project.
    embed_enabled: bool = True
    # 403 `partner_suspended` for the embed API.
    embed_suspended: bool = False
    # From where sessions may be used, as `https://shop.example.com`; none is anywhere.
    embed_origins: list[str] = field(default_factory=list)

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
        self.catalogs.clear()
        self.email_configured = True
        self.signatures_configured = True
        self.embed_enabled = True
        self.embed_suspended = False
        self.embed_origins.clear()

    def __repr__(self) -> str:
        return f"<Project {self.name!r}>"
