"""Catalogs of variables: what a builder offers (signatures-webhooks-embed.md, section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import Refusal
from .ids import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .projects import Project


@dataclass(frozen=True)
class Catalog:
    """One version of a catalog: it never changes."""

    name: str
    version: int
    content: Mapping[str, Any] = field(repr=False)
    id: str = field(default_factory=uuid4)


def publish(project: Project, name: str, content: Mapping[str, Any]) -> Catalog:
    """The next version of a name, which is the current one from now on."""
    versions = project.catalogs.setdefault(name, [])
    catalog = Catalog(name, len(versions) + 1, content)
    versions.append(catalog)
    return catalog


def find(project: Project, name: str, version: int | None) -> Catalog:
    """A version of a catalog, or its current one; raises `Refusal`, `catalog_not_found`."""
    versions = project.catalogs.get(name, [])
    number = len(versions) if version is None else version
    if not 0 < number <= len(versions):
        raise Refusal("catalog_not_found", f'No catalog "{name}" with this version.')
    return versions[number - 1]
