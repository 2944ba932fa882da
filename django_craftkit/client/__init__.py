"""A client of Craftkit's REST API: typed, on requests, without Django.

    craftkit = Craftkit("ck_live_…")
    render = craftkit.renders.render("invoice", {"total": 42}, idempotency_key="invoice-2026-005")

Every failure is a `CraftkitError`; its `maybe_handled` tells whether Craftkit may have acted.
"""

from __future__ import annotations

from django_craftkit.client.account import (
    CraftkitAccount,
    DeletedProject,
    Project,
    ProjectKey,
)
from django_craftkit.client.base import Client
from django_craftkit.client.builder import BuilderTemplate, BuilderTemplateSummary
from django_craftkit.client.catalogs import (
    Catalog,
    CatalogField,
    CatalogLoop,
    Namespace,
    PublishedCatalog,
)
from django_craftkit.client.download import Download
from django_craftkit.client.emails import Emails
from django_craftkit.client.embed import Embed, EmbedRenderPage, EmbedSession
from django_craftkit.client.encoding import path
from django_craftkit.client.engagement import Engagement, EngagementEvent, EngagementLog
from django_craftkit.client.envelope import (
    AnchorTag,
    Recipient,
    SignatureField,
    check_signature,
)
from django_craftkit.client.errors import (
    AuthenticationError,
    Conflict,
    CraftkitConnectionError,
    CraftkitError,
    CraftkitTimeout,
    CreditsExhausted,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    InvalidSignatureRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from django_craftkit.client.fields import Listed
from django_craftkit.client.forms import FormAnswer, FormSubmission
from django_craftkit.client.hooks import CraftkitHook
from django_craftkit.client.images import UploadedImage
from django_craftkit.client.pooling import Sessions
from django_craftkit.client.provisioning import (
    CraftkitAdmin,
    PartnerSettings,
    ProvisionedProject,
)
from django_craftkit.client.renders import Renders
from django_craftkit.client.secret import Secret
from django_craftkit.client.session import CraftkitSession
from django_craftkit.client.session_options import (
    Actor,
    Callbacks,
    CatalogRef,
    FormOptions,
    Scope,
    SessionLimits,
    Tenant,
)
from django_craftkit.client.shares import Shares
from django_craftkit.client.signatures import (
    SignatureNotice,
    SignaturePage,
    SignatureRecipient,
    SignatureRequest,
    Signatures,
)
from django_craftkit.client.templates import Templates
from django_craftkit.client.transport import Transport  # noqa: TC001
from django_craftkit.client.types import (
    DeletedTemplate,
    Health,
    Loop,
    Manifest,
    PublishedTemplate,
    Render,
    Revocation,
    SentEmail,
    Share,
    Template,
    TemplateSummary,
    Variable,
)
from django_craftkit.untrusted import JsonObject  # noqa: TC001

__all__ = [
    "Actor",
    "AnchorTag",
    "AuthenticationError",
    "BuilderTemplate",
    "BuilderTemplateSummary",
    "Callbacks",
    "Catalog",
    "CatalogField",
    "CatalogLoop",
    "CatalogRef",
    "Conflict",
    "Craftkit",
    "CraftkitAccount",
    "CraftkitAdmin",
    "CraftkitConnectionError",
    "CraftkitError",
    "CraftkitHook",
    "CraftkitSession",
    "CraftkitTimeout",
    "CreditsExhausted",
    "DeletedProject",
    "DeletedTemplate",
    "Download",
    "EmbedRenderPage",
    "EmbedSession",
    "Engagement",
    "EngagementEvent",
    "FormAnswer",
    "FormOptions",
    "FormSubmission",
    "Health",
    "InvalidData",
    "InvalidRequest",
    "InvalidResponse",
    "InvalidSignatureRequest",
    "Listed",
    "Loop",
    "Manifest",
    "Namespace",
    "NotFound",
    "PartnerSettings",
    "PermissionDenied",
    "Project",
    "ProjectKey",
    "ProvisionedProject",
    "PublishedCatalog",
    "PublishedTemplate",
    "RateLimited",
    "Recipient",
    "Render",
    "Revocation",
    "Scope",
    "Secret",
    "SentEmail",
    "ServerError",
    "SessionLimits",
    "Sessions",
    "Share",
    "SignatureField",
    "SignatureNotice",
    "SignaturePage",
    "SignatureRecipient",
    "SignatureRequest",
    "Template",
    "TemplateSummary",
    "Tenant",
    "UploadedImage",
    "Variable",
    "check_signature",
]


class Craftkit(Client):
    """Craftkit, as one project sees it. Threads and processes may share one.

    Sources: https://docs.craftkit.dev/guides/authentication and
    https://docs.craftkit.dev/guides/hosts-and-environments

    Args:
        api_key: a project key (`ck_live_…`, `ck_test_…`). Goes to the host of `base_url` alone.
        base_url: http or https, without the `/v1` that each call adds. A key works in its own
            environment only.
        timeout: seconds that a call may take, with all its tries, their pauses and its answer; a
            `Download` may take longer. Of a pair, the first number is for one step of connecting
            (an address of the host, a proxy, a handshake), the second one for the whole. Looking up
            a name can't be interrupted, and its time counts.
        max_retries: further tries of what may safely be retried; 0 for none.
        max_download_bytes: of one PDF; a larger one is refused.
        adapter: makes the requests adapter that each session mounts for `base_url`. One that is
            no `requests.adapters.HTTPAdapter` must keep to the `timeout` that it is given.
        sessions: of other clients, whose connections it shares where they call the same address by
            the same adapter; None for its own. The key is no part of them.

    Raises:
        ValueError: one of these can't be used.
    """

    templates: Templates
    renders: Renders
    shares: Shares
    emails: Emails
    engagement: EngagementLog
    signatures: Signatures
    embed: Embed

    def _open(self, transport: Transport) -> None:
        self.templates = Templates(transport)
        self.renders = Renders(transport)
        self.shares = Shares(transport)
        self.emails = Emails(transport)
        self.engagement = EngagementLog(transport)
        self.signatures = Signatures(transport)
        self.embed = Embed(transport)

    def health(self) -> Health:
        """How Craftkit is. Sends no key; `degraded` is an answer and raises nothing.

        Source: https://docs.craftkit.dev/api-reference/health

        Raises:
            CraftkitConnectionError: there was no answer.
            ServerError: something else than Craftkit's health answered, a proxy perhaps.
        """
        return self._transport.call(
            "GET",
            path("v1", "health"),
            lambda body, status: Health.from_json(body),
            anonymous=True,
            also=_is_degraded,
        )


def _is_degraded(status: int, body: JsonObject) -> bool:
    # Of Craftkit's shape, not a proxy's 503 with JSON of its own.
    return status == 503 and isinstance(body.get("status"), str) and "error" not in body
