"""What an embed session is minted for: whose it is, what it may do, how it looks. And the limits.

Source: https://docs.craftkit.dev/api-reference/create-session
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - typing.get_type_hints reads these classes
from dataclasses import KW_ONLY, dataclass, field
from typing import Final
from uuid import UUID  # noqa: TC003

from django_craftkit.client.catalogs import check_catalog_name
from django_craftkit.client.encoding import given
from django_craftkit.client.limits import (
    check_address,
    check_flag,
    check_mapping,
    check_text,
    check_url,
    check_whole,
    refuse,
)
from django_craftkit.untrusted import Json, JsonObject  # noqa: TC001

FILL: Final = "fill"
MODES: Final = ("edit", "create", "view", FILL)
"""What a session is for: to edit a template, make one, look at one, or fill in its form."""
PERMISSIONS: Final[Mapping[str, str]] = {
    "publish": "publish",
    "save_draft": "saveDraft",
    "delete": "delete",
    "rename": "rename",
    "rollback": "rollback",
    "create_custom_variables": "createCustomVariables",
    "change_page_settings": "changePageSettings",
    "view_version_history": "viewVersionHistory",
    "submit_form": "submitForm",
    "save_form_draft": "saveFormDraft",
    "share_document": "shareDocument",
    "email_document": "emailDocument",
    "view_engagement": "viewEngagement",
}
"""What a session may be allowed, and what Craftkit calls it."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of yours, in whose name somebody works. Craftkit notes them at each mint."""

    external_id: str
    """What you call them: 1 to 160 characters."""
    display_name: str
    """1 to 200 characters."""
    _: KW_ONLY
    branding: JsonObject | None = field(default=None, hash=False)
    """A part of what `create_session` takes as `branding`, for this tenant."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_text("tenant.external_id", self.external_id, 1, 160)
        check_text("tenant.display_name", self.display_name, 1, 200)
        if self.branding is not None:
            check_mapping("tenant.branding", self.branding)
        return {
            "externalId": self.external_id,
            "displayName": self.display_name,
            **given(branding=self.branding),
        }


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody of a tenant, who works in the session. Craftkit notes them at each mint."""

    external_id: str
    """What you call them: 1 to 160 characters."""
    display_name: str | None = field(default=None, repr=False)
    """Up to 200 characters."""
    _: KW_ONLY
    email: str | None = field(default=None, repr=False)
    """One address, without a name."""
    avatar_url: str | None = field(default=None, repr=False)
    """http or https."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_text("actor.external_id", self.external_id, 1, 160)
        if self.display_name is not None:
            check_text("actor.display_name", self.display_name, 0, 200)
        if self.email is not None:
            check_address("actor.email", self.email)
        if self.avatar_url is not None:
            check_url("actor.avatar_url", self.avatar_url)
        return {
            "externalId": self.external_id,
            **given(displayName=self.display_name, email=self.email, avatarUrl=self.avatar_url),
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """What a session is for, and for which template."""

    mode: str = "edit"
    """One of `MODES`."""
    _: KW_ONLY
    template_id: UUID | str | None = None
    """Craftkit's id of a template. `fill` needs one. It is sent by both names: the documentation
    has this one for tokens, and the other one for requests."""
    template_external_id: str | None = None
    """Of a template. For `fill` it must be the template's id."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: beyond a limit, or `fill` without a template.
        """
        if self.mode not in MODES:
            refuse("scope.mode", f"is not one of {', '.join(MODES)}")
        if self.template_external_id is not None:
            check_text("scope.template_external_id", self.template_external_id)
        if self.mode == FILL and not (self.template_id or self.template_external_id):
            refuse("scope.template_id", "is missing: whose form is to be filled in?")
        remote_id = None if self.template_id is None else str(self.template_id)
        return {
            "mode": self.mode,
            **given(
                templateId=remote_id,
                templateExternalId=self.template_external_id or remote_id,
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FormOptions:
    """How a form is filled in; of what is None Craftkit decides."""

    prefill: Mapping[str, object] | None = field(default=None, repr=False, hash=False)
    """Data by the manifest's keys. What is filled in comes before it."""
    show_preview: bool | None = None
    """Whether the document is shown beside the form; False if None."""
    show_document_after_submit: bool | None = None
    """True if None."""
    redirect_url: str | None = None
    """Where the browser goes after the form was sent: http or https."""
    collect: bool = False
    """True: Craftkit makes no document and sends the data as the webhook `form.submitted`."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: the prefill is no mapping, or the address is none.
        """
        if self.prefill is not None:
            check_mapping("form.prefill", self.prefill)
        if self.redirect_url is not None:
            check_url("form.redirect_url", self.redirect_url)
        for name in ("show_preview", "show_document_after_submit", "collect"):
            check_flag(f"form.{name}", getattr(self, name))
        return given(
            prefill=self.prefill,
            showPreview=self.show_preview,
            showDocumentAfterSubmit=self.show_document_after_submit,
            redirectUrl=self.redirect_url,
            captureMode="collect" if self.collect else None,
        )


@dataclass(frozen=True, slots=True)
class CatalogRef:
    """A published catalog of variables."""

    name: str
    """As in `Embed.create_catalog`."""
    version: int | None = None
    """None is the current one."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_catalog_name("catalog.name", self.name)
        if self.version is not None:
            check_whole("catalog.version", self.version)
        return {"name": self.name, **given(version=self.version)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Addresses that the embed posts to: http or https."""

    on_published_url: str | None = None
    on_close_url: str | None = None

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: one is no address.
        """
        for name in ("on_published_url", "on_close_url"):
            if (url := getattr(self, name)) is not None:
                check_url(f"callbacks.{name}", url)
        return given(onPublishedUrl=self.on_published_url, onCloseUrl=self.on_close_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What a session may do at most; of what is None Craftkit decides."""

    max_publishes: int | None = None
    """10 if None."""
    max_save_drafts: int | None = None
    """200 if None."""
    max_upload_bytes: int | None = None
    """Of all uploads together; 5 MiB if None."""

    def to_json(self) -> dict[str, Json]:
        """As Craftkit takes it.

        Raises:
            InvalidData: one is no whole number.
        """
        for name in ("max_publishes", "max_save_drafts", "max_upload_bytes"):
            if (number := getattr(self, name)) is not None:
                check_whole(f"limits.{name}", number)
        return given(
            maxPublishes=self.max_publishes,
            maxSaveDrafts=self.max_save_drafts,
            maxUploadsBytes=self.max_upload_bytes,
        )


def permissions_json(permissions: Mapping[str, bool]) -> dict[str, bool]:
    """Permissions as Craftkit takes them.

    Args:
        permissions: by the names of `PERMISSIONS`.

    Raises:
        InvalidData: an unknown name, or a value that is no bool.
    """
    check_mapping("permissions", permissions)
    for name, allowed in permissions.items():
        if name not in PERMISSIONS:
            refuse("permissions", f"has a name that is not one of {', '.join(PERMISSIONS)}")
        if not isinstance(allowed, bool):
            refuse(f"permissions.{name}", "is not True or False")
    return {PERMISSIONS[name]: allowed for name, allowed in permissions.items()}
