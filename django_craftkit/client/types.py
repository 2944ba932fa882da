"""What Craftkit says, as Python values. Its camelCase stops here.

Dates are aware and in UTC, ids are UUIDs, statuses are texts, since Craftkit may add some.
`downloadUrl`, `pollUrl` and `shareToken` are read by nobody and kept nowhere.

What is None where Craftkit's contract has a value was not sent, or can't be read; texts are `""`
then. Without an id or a status nobody can go on: that raises `InvalidResponse`.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - typing.get_type_hints reads these classes
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime  # noqa: TC003
from typing import Any, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.encoding import given
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.untrusted import Json, JsonObject  # noqa: TC001


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Answer):
    """How Craftkit is. Source: https://docs.craftkit.dev/api-reference/health"""

    status: str
    """`ok`, or `degraded`."""
    version: str
    """Seven characters of the deployed commit, or `local`."""
    checks: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The parts, each `ok` or `error`."""

    @property
    def ok(self) -> bool:
        """Whether `status` is `ok`."""
        return self.status == "ok"

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "health")
        checks = fields.maybe_mapping("checks") or {}
        return cls(
            status=fields.text("status"),
            version=fields.maybe_text("version") or "",
            checks={name: str(state) for name, state in checks.items()},
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True)
class Variable(Answer):
    """One value that a template takes.

    Source: https://docs.craftkit.dev/guides/variables-and-loops
    """

    key: str
    """Dotted path: `customer.name` is `{"customer": {"name": …}}` in the data."""
    label: str
    data_type: str
    """text, longtext, number, currency, date, datetime, boolean, image, url, email."""
    _: KW_ONLY
    required: bool = False
    format: str | None = None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "variable")
        return cls(
            key=fields.text("key"),
            label=fields.maybe_text("label") or "",
            data_type=fields.text("dataType"),
            required=fields.maybe_flag("required") or False,
            format=fields.maybe_text("format"),
            **fields.rest(),
        )

    def to_json(self) -> dict[str, Json]:
        return {
            **self.extra,
            "key": self.key,
            "label": self.label,
            "dataType": self.data_type,
            "required": self.required,
            **given(format=self.format),
            # What Craftkit has said comes back to it, whether it could be read here or not.
            **self.unreadable,
        }


@dataclass(frozen=True, slots=True)
class Loop(Answer):
    """A list of rows that a template repeats: up to 10,000 in a render.

    Source: https://docs.craftkit.dev/guides/variables-and-loops
    """

    key: str
    """A name without dots, at the top of the data."""
    label: str
    item_fields: tuple[Variable, ...]
    """At least one."""
    _: KW_ONLY
    preview_data: tuple[JsonObject, ...] = field(default=(), hash=False)
    """Up to 10 rows, for Craftkit's builder alone."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "loop")
        return cls(
            key=fields.text("key"),
            label=fields.maybe_text("label") or "",
            item_fields=fields.parts("itemFields", Variable.from_json),
            preview_data=tuple(fields.maybe_items("previewData") or ()),
            **fields.rest(),
        )

    def to_json(self) -> dict[str, Json]:
        return {
            **self.extra,
            "key": self.key,
            "label": self.label,
            "itemFields": [item.to_json() for item in self.item_fields],
            **given(previewData=list(self.preview_data) or None),
            **self.unreadable,
        }


@dataclass(frozen=True, slots=True)
class Manifest(Answer):
    """What a template takes: the contract between data and layout. It is read as a whole or not.

    Source: https://docs.craftkit.dev/guides/variables-and-loops
    """

    variables: tuple[Variable, ...] = ()
    loops: tuple[Loop, ...] = ()

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "manifest")
        return cls(
            variables=fields.parts("variables", Variable.from_json),
            loops=fields.parts("loops", Loop.from_json),
            **fields.rest(),
        )

    def to_json(self) -> dict[str, Json]:
        return {
            **self.extra,
            "variables": [variable.to_json() for variable in self.variables],
            "loops": [loop.to_json() for loop in self.loops],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary(Answer):
    """A template in the list. Source: https://docs.craftkit.dev/guides/verify-before-render"""

    id: UUID
    slug: str
    name: str
    template_type: str
    """`document` or `pdf-overlay`; `""` if Craftkit does not say."""
    current_version_number: int | None
    """None while nothing is published."""
    published: bool | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "template")
        return cls(**_summary(fields), **fields.rest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(TemplateSummary):
    """A template with its contract. Source: https://docs.craftkit.dev/api-reference/get-template"""

    description: str | None
    manifest: Manifest | None
    """None while nothing is published."""
    json_schema: JsonObject | None = field(hash=False)
    """The manifest as JSON Schema, draft 07; None while nothing is published."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "template")
        return cls(
            **_summary(fields),
            description=fields.maybe_text("description"),
            manifest=fields.maybe_part("manifest", Manifest.from_json),
            json_schema=fields.maybe_mapping("jsonSchema"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTemplate(Answer):
    """A version just published. Source: https://docs.craftkit.dev/api-reference/update-template"""

    id: UUID
    slug: str
    current_version_number: int | None
    manifest: Manifest | None
    created: bool
    """False if the slug existed and got one version more."""

    @classmethod
    def from_json(cls, body: object, *, created: bool) -> Self:
        fields = Fields(body, "published template")
        return cls(
            id=fields.uuid("id"),
            slug=fields.text("slug"),
            current_version_number=fields.maybe_number("currentVersionNumber"),
            manifest=fields.maybe_part("manifest", Manifest.from_json),
            created=created,
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedTemplate(Answer):
    """A template taken away. Source: https://docs.craftkit.dev/api-reference/delete-template"""

    id: UUID
    slug: str
    deleted_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "deleted template")
        return cls(
            id=fields.uuid("id"),
            slug=fields.text("slug"),
            deleted_at=fields.maybe_moment("deletedAt"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Render(Answer):
    """A document in the making, or made. Source: https://docs.craftkit.dev/api-reference/get-render"""

    id: UUID
    status: str
    """`queued`, `rendering`, `succeeded`, `failed`, `cancelled`, or one that is new to us."""
    error_message: str | None
    created_at: datetime | None
    """When Craftkit took it on."""
    completed_at: datetime | None = None
    duration_ms: int | None = None
    """Milliseconds by the clock on the wall."""
    replayed: bool = False
    """True if the idempotency key was known and Craftkit answered with what it had."""

    @classmethod
    def from_json(cls, body: object, *, replayed: bool = False) -> Self:
        return cls._read(Fields(body, "render"), "id", replayed=replayed)

    @classmethod
    def from_webhook(cls, payload: object) -> Self:
        """The same state, from the body of a `render.*` delivery; `extra` has its `templateId`.

        Source: https://docs.craftkit.dev/guides/webhooks

        Args:
            payload: the object that the body's JSON stands for.

        Raises:
            InvalidResponse: its id or status is missing or can't be read; it is named.
        """
        fields = Fields(payload, "render event")
        fields.maybe_text("event")
        return cls._read(fields, "renderId", replayed=False)

    @classmethod
    def _read(cls, fields: Fields, id_name: str, *, replayed: bool) -> Self:
        return cls(
            id=fields.uuid(id_name),
            status=fields.text("status"),
            error_message=fields.maybe_text("errorMessage"),
            created_at=fields.maybe_moment("createdAt"),
            completed_at=fields.maybe_moment("completedAt"),
            duration_ms=fields.maybe_number("durationMs"),
            replayed=replayed,
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Answer):
    """A link to a render. Source: https://docs.craftkit.dev/api-reference/list-shares"""

    id: UUID
    url: str = field(repr=False)
    """Opens the document to whoever has it. As Craftkit sent it, never built here."""
    channel: str
    """`link` or `email`; `""` if Craftkit does not say."""
    recipient_email: str | None = field(repr=False)
    message: str | None = field(repr=False)
    expires_at: datetime | None
    """None: never."""
    revoked_at: datetime | None
    revoked_reason: str | None
    click_count: int | None
    """Views by its recipient; None where Craftkit does not say."""
    created_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "share")
        return cls(
            id=fields.uuid("id"),
            url=fields.url("shareUrl"),
            channel=fields.maybe_text("channel") or "",
            recipient_email=fields.maybe_text("recipientEmail"),
            message=fields.maybe_text("message"),
            expires_at=fields.maybe_moment("expiresAt"),
            revoked_at=fields.maybe_moment("revokedAt"),
            revoked_reason=fields.maybe_text("revokedReason"),
            click_count=fields.maybe_number("clickCount"),
            created_at=fields.maybe_moment("createdAt"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation(Answer):
    """A revoked share. Source: https://docs.craftkit.dev/api-reference/revoke-share"""

    id: UUID
    revoked_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "revocation")
        return cls(
            id=fields.uuid("id"), revoked_at=fields.maybe_moment("revokedAt"), **fields.rest()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEmail(Answer):
    """A mail with a link to a render. Source: https://docs.craftkit.dev/api-reference/email-render"""

    id: UUID
    """Of the share that was made for it."""
    url: str = field(repr=False)
    """Opens the document to whoever has it. As Craftkit sent it, never built here; `""` if that
    is no address: the mail has gone out all the same, and `Shares.list` may tell."""
    message_id: str
    """What the mail service calls it; `""` if Craftkit does not say."""
    sent_at: datetime | None

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "sent e-mail")
        return cls(
            id=fields.uuid("id"),
            url=fields.maybe_url("shareUrl") or "",
            message_id=fields.maybe_text("emailMessageId") or "",
            sent_at=fields.maybe_moment("sentAt"),
            **fields.rest(),
        )


def _summary(fields: Fields) -> dict[str, Any]:
    return {
        "id": fields.uuid("id"),
        "slug": fields.text("slug"),
        "name": fields.maybe_text("name") or "",
        "template_type": fields.maybe_text("templateType") or "",
        "current_version_number": fields.maybe_number("currentVersionNumber"),
        "published": fields.maybe_flag("published"),
        "created_at": fields.maybe_moment("createdAt"),
        "updated_at": fields.maybe_moment("updatedAt"),
    }
