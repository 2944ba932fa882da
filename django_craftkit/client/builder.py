"""Templates as Craftkit's builder keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - typing.get_type_hints reads these classes
from typing import TYPE_CHECKING, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.encoding import path
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.limits import check_mapping
from django_craftkit.untrusted import JsonObject  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_craftkit.client.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderTemplate(Answer):
    """A template that was put into the builder.

    Source: https://docs.craftkit.dev/api-reference/create-builder-template
    """

    id: UUID
    name: str
    organization_id: str
    """The project's id, as the builder writes it; `""` if Craftkit does not say."""
    preset_key: str | None
    is_custom: bool | None
    layout: JsonObject | None = field(hash=False)
    design: JsonObject | None = field(hash=False)
    created_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        """From the field `documentTemplate` of an answer."""
        return Fields(body, "builder's answer").part("documentTemplate", cls._read)

    @classmethod
    def _read(cls, body: object) -> Self:
        fields = Fields(body, "builder template")
        return cls(
            id=fields.uuid("_id"),
            name=fields.maybe_text("name") or "",
            organization_id=fields.maybe_text("organizationId") or "",
            preset_key=fields.maybe_text("presetKey"),
            is_custom=fields.maybe_flag("isCustomTemplate"),
            layout=fields.maybe_mapping("layout"),
            design=fields.maybe_mapping("design"),
            created_at=fields.maybe_moment("cAt"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderTemplateSummary(Answer):
    """A template in the builder's list.

    Source: https://docs.craftkit.dev/api-reference/list-builder-templates
    """

    id: UUID
    slug: str
    name: str
    category: str | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "builder template")
        return cls(
            id=fields.uuid("id"),
            slug=fields.text("slug"),
            name=fields.maybe_text("name") or "",
            category=fields.maybe_text("category"),
            created_at=fields.maybe_moment("createdAt"),
            updated_at=fields.maybe_moment("updatedAt"),
            **fields.rest(),
        )


def create_template(
    transport: Transport, document_template: Mapping[str, object]
) -> BuilderTemplate:
    """Put a template into the builder, with whatever credential the transport has."""
    check_mapping("document_template", document_template)
    return transport.call(
        "POST",
        path("v1", "embed", "builder", "templates"),
        lambda answer, status: BuilderTemplate.from_json(answer),
        json={"documentTemplate": document_template},
    )
