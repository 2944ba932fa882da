"""Provisioning: a project for each organization of a platform, for who runs Craftkit itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from django_craftkit.client.base import Client
from django_craftkit.client.encoding import given, path
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.limits import check_text
from django_craftkit.client.secret import Secret  # noqa: TC001 - typing.get_type_hints reads these
from django_craftkit.untrusted import JsonObject  # noqa: TC001


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionedProject(Answer):
    """The project of an organization.

    Source: https://docs.craftkit.dev/api-reference/admin/provision-an-org

    Craftkit's documentation does not name the fields. Whatever else can't be read, the key is kept.
    """

    api_key: Secret
    """For `Craftkit`, the same each time; `reveal()` returns it."""
    project_id: str
    """As Craftkit writes it; `""` if it does not say."""
    partner_id: str
    """As Craftkit writes it; `""` if it does not say."""
    external_org_id: str
    """What you call the organization; `""` if Craftkit does not say."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "provisioned project")
        return cls(
            api_key=fields.secret("apiKey"),
            project_id=fields.maybe_text("projectId") or "",
            partner_id=fields.maybe_text("partnerId") or "",
            external_org_id=fields.maybe_text("externalOrgId") or "",
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerSettings(Answer):
    """The settings of a provisioned organization.

    Source: https://docs.craftkit.dev/api-reference/admin/provision-an-org

    Craftkit's documentation does not name the fields.
    """

    external_org_id: str
    """What you call the organization; `""` if Craftkit does not say."""
    email_from: str | None = field(repr=False)
    """Who mails come from; None if Craftkit does not say."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "partner settings")
        return cls(
            external_org_id=fields.maybe_text("externalOrgId") or "",
            email_from=fields.maybe_text("emailFrom"),
            **fields.rest(),
        )


class CraftkitAdmin(Client):
    """Craftkit, for who runs it. Threads and processes may share one.

    Source: https://docs.craftkit.dev/api-reference/admin/provision-an-org

    Args:
        api_key: Craftkit's one `CRAFTKIT_ADMIN_KEY`; keys of projects and accounts are refused.
            Goes to the host of `base_url` alone.
        base_url, timeout, max_retries, max_download_bytes, adapter: as for `Craftkit`.

    Raises:
        ValueError: one of these can't be used.
    """

    _credential = "Craftkit admin key"

    def provision(
        self, external_org_id: str, name: str, *, email_from: str | None = None
    ) -> ProvisionedProject:
        """A project for an organization, made at the first call; later ones answer the same.

        Craftkit makes one project for each `external_org_id`: therefore the call is retried as
        reads are.

        Source: https://docs.craftkit.dev/api-reference/admin/provision-an-org

        Args:
            external_org_id: what you call the organization. The same one is the same project.
            name: of the project.
            email_from: who the project's mails come from.

        Raises:
            InvalidData: an empty text; nothing was sent.
            AuthenticationError: the key is not the admin key.
        """
        check_text("external_org_id", external_org_id, 1)
        check_text("name", name, 1)
        if email_from is not None:
            check_text("email_from", email_from, 1)
        return self._transport.call(
            "POST",
            path("v1", "admin", "provision"),
            lambda answer, status: ProvisionedProject.from_json(answer),
            json={"externalOrgId": external_org_id, "name": name, **given(emailFrom=email_from)},
            repeatable=True,
            confidential=True,
        )

    def update(self, external_org_id: str, *, email_from: str) -> PartnerSettings:
        """Change the settings of an organization. Retried as reads are: twice is once.

        Source: https://docs.craftkit.dev/api-reference/admin/provision-an-org

        Args:
            external_org_id: what you called it in `provision`.
            email_from: who the project's mails come from.

        Raises:
            InvalidData: an empty text; nothing was sent.
            AuthenticationError: the key is not the admin key.
            NotFound: no such organization.
        """
        check_text("external_org_id", external_org_id, 1)
        check_text("email_from", email_from, 1)
        return self._transport.call(
            "PATCH",
            path("v1", "admin", "provision"),
            lambda answer, status: PartnerSettings.from_json(answer),
            json={"externalOrgId": external_org_id, "emailFrom": email_from},
            repeatable=True,
            confidential=True,
        )
