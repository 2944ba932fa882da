"""Catalogs: the variables that Craftkit's builder offers to your tenants. And Craftkit's limits.

Source: https://docs.craftkit.dev/api-reference/create-catalog
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.encoding import given
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.limits import (
    check_flag,
    check_mapping,
    check_parts,
    check_scalar,
    check_text,
    refuse,
)
from django_craftkit.untrusted import Json, JsonObject  # noqa: TC001

DATA_TYPES: Final = (
    "text",
    "longtext",
    "number",
    "currency",
    "date",
    "datetime",
    "boolean",
    "image",
    "url",
    "email",
)
"""What a value of a catalog may be."""
MOST_ROWS: Final = 10
"""Rows of a loop's preview."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_KEY: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class CatalogField:
    """One value that the builder offers."""

    key: str
    """Up to 160 letters, digits, `_` and `.`, not beginning with a digit or `.`."""
    label: str
    """1 to 160 characters."""
    data_type: str
    """One of `DATA_TYPES`."""
    _: KW_ONLY
    required: bool | None = None
    """A hint for the builder; False if None."""
    format: str | None = None
    """Up to 60 characters: `currency:EUR`, `date:DD/MM/YYYY`."""
    description: str | None = None
    """Up to 280 characters."""
    preview_data: str | float | bool | None = None
    """What the builder shows in its place."""

    def to_json(self, where: str) -> dict[str, Json]:
        """As Craftkit takes it.

        Args:
            where: what messages call it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_text(f"{where}.key", self.key, 1, 160)
        if not _KEY.fullmatch(self.key):
            refuse(f"{where}.key", "is not letters, digits, '_' and '.', a letter or '_' first")
        check_text(f"{where}.label", self.label, 1, 160)
        if self.data_type not in DATA_TYPES:
            refuse(f"{where}.data_type", f"is not one of {', '.join(DATA_TYPES)}")
        check_flag(f"{where}.required", self.required)
        for name, most in (("format", 60), ("description", 280)):
            if (text := getattr(self, name)) is not None:
                check_text(f"{where}.{name}", text, 0, most)
        if self.preview_data is not None:
            check_scalar(f"{where}.preview_data", self.preview_data)
        return {
            "key": self.key,
            "label": self.label,
            "dataType": self.data_type,
            **given(
                required=self.required,
                format=self.format,
                description=self.description,
                previewData=self.preview_data,
            ),
        }


@dataclass(frozen=True, slots=True)
class Namespace:
    """Values that belong together: `customer`, say."""

    key: str
    label: str
    fields: Sequence[CatalogField]
    """At least one."""
    _: KW_ONLY
    icon: str | None = None

    def to_json(self, where: str) -> dict[str, Json]:
        """As Craftkit takes it.

        Args:
            where: what messages call it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_text(f"{where}.key", self.key)
        check_text(f"{where}.label", self.label)
        if self.icon is not None:
            check_text(f"{where}.icon", self.icon)
        return {
            "key": self.key,
            "label": self.label,
            **given(icon=self.icon),
            "fields": _fields(f"{where}.fields", self.fields),
        }


@dataclass(frozen=True, slots=True)
class CatalogLoop:
    """Rows that a template may repeat."""

    key: str
    label: str
    item_fields: Sequence[CatalogField]
    """Of each row; at least one."""
    _: KW_ONLY
    preview_data: Sequence[JsonObject] = field(default=(), hash=False)
    """Up to 10 rows that the builder shows."""

    def to_json(self, where: str) -> dict[str, Json]:
        """As Craftkit takes it.

        Args:
            where: what messages call it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_text(f"{where}.key", self.key)
        check_text(f"{where}.label", self.label)
        _check_rows(f"{where}.preview_data", self.preview_data)
        return {
            "key": self.key,
            "label": self.label,
            "itemFields": _fields(f"{where}.item_fields", self.item_fields),
            **given(previewData=list(self.preview_data) or None),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The variables that the builder offers."""

    namespaces: Sequence[Namespace] = ()
    loops: Sequence[CatalogLoop] = ()
    allow_custom: bool = False
    """Whether who edits a template may add variables of their own."""

    def to_json(self, where: str) -> dict[str, Json]:
        """As Craftkit takes it.

        Args:
            where: what messages call it.

        Raises:
            InvalidData: beyond a limit.
        """
        check_flag(f"{where}.allow_custom", self.allow_custom)
        check_parts(f"{where}.namespaces", self.namespaces, Namespace)
        check_parts(f"{where}.loops", self.loops, CatalogLoop)
        return {
            **given(allowCustom=self.allow_custom),
            "namespaces": [
                one.to_json(f"{where}.namespaces[{number}]")
                for number, one in enumerate(self.namespaces)
            ],
            "loops": [
                one.to_json(f"{where}.loops[{number}]") for number, one in enumerate(self.loops)
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCatalog(Answer):
    """A catalog's version just published.

    Source: https://docs.craftkit.dev/api-reference/create-catalog
    """

    id: UUID
    name: str
    version: int | None
    """From 1 up; None if Craftkit does not say."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "catalog")
        return cls(
            id=fields.uuid("id"),
            name=fields.maybe_text("name") or "",
            version=fields.maybe_count("version"),
            **fields.rest(),
        )


def catalog_json(name: str, catalog: Catalog | Mapping[str, object]) -> JsonObject:
    """A catalog as Craftkit takes it; a mapping as it is.

    Args:
        name: what messages call it.

    Raises:
        InvalidData: beyond a limit, or neither.
    """
    if isinstance(catalog, Catalog):
        return catalog.to_json(name)
    check_mapping(name, catalog)
    return catalog


def check_catalog_name(where: str, name: object) -> None:
    """Refuse what can't be a catalog's name.

    Args:
        where: what messages call it.
        name: 1 to 120 lower-case letters, digits and hyphens, no hyphen first.

    Raises:
        InvalidData: it is another.
    """
    check_text(where, name, 1, 120)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        refuse(where, "is not lower-case letters, digits and hyphens, no hyphen first")


def _fields(where: str, fields: Sequence[CatalogField]) -> list[dict[str, Json]]:
    check_parts(where, fields, CatalogField, least=1)
    return [one.to_json(f"{where}[{number}]") for number, one in enumerate(fields)]


def _check_rows(where: str, rows: object) -> None:
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes | bytearray):
        refuse(where, "is not a list of rows")
    if len(rows) > MOST_ROWS:
        refuse(where, f"has more than {MOST_ROWS} rows")
    for number, row in enumerate(rows):
        check_mapping(f"{where}[{number}]", row)
