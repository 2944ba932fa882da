"""Templates: a slug, a name, and the versions that were published."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .checks.templates import LONGEST_SLUG, SLUG
from .errors import Refusal
from .ids import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .checks.layout import LayoutText
    from .checks.templates import Content, Manifest
    from .projects import Project
    from .state import State


@dataclass(frozen=True)
class Version:
    """One published version of a template: it never changes."""

    number: int
    name: str
    manifest: Manifest
    page_config: Mapping[str, object]
    # Made by `lenient`: takes any data as it comes.
    lenient: bool = False
    # Printed at their places, over the rest.
    layout_texts: Sequence[LayoutText] = ()


@dataclass(eq=False)
class Template:
    """A template: a slug, a name, and its versions, oldest first; none is unpublished."""

    slug: str
    name: str
    description: str | None
    created_at: float
    updated_at: float
    template_type: str = "document"
    id: str = field(default_factory=uuid4)
    versions: list[Version] = field(default_factory=list)
    deleted_at: float | None = None
    # What the builder has saved and not published.
    draft: Content | None = field(default=None, repr=False)

    @property
    def current(self) -> Version | None:
        """The version that is rendered unless another one is asked for."""
        return self.versions[-1] if self.versions else None


def find(state: State, project: Project, slug: str) -> Template:
    """The template of a slug; a lenient sandbox makes one up that takes any data.

    Raises:
        Refusal: `template_not_found`.
    """
    template = project.templates.get(slug)
    if template is None and state.lenient and SLUG.fullmatch(slug):
        template = publish(state, project, slug, anything(slug))
    if template is None:
        raise not_found(slug)
    return template


def version_of(template: Template, number: int | None) -> Version:
    """The version of a number, or the current one; raises `Refusal` if it isn't there."""
    if template.current is None:
        raise Refusal("no_published_version", "Template has no published version.")
    if number is None:
        return template.current
    if number > len(template.versions):
        raise Refusal("version_not_found", f"Template has no version {number}.")
    return template.versions[number - 1]


def anything(slug: str) -> Content:
    """The content of a template that takes any data as it comes."""
    name = slug.replace("-", " ").capitalize()
    return {"name": name, "manifest": {"variables": [], "loops": []}, "lenient": True}


def publish(
    state: State, project: Project, slug: str, content: Content, *, unpublished: bool = False
) -> Template:
    """Publish content that has been checked as the next version of a slug."""
    now = state.clock()
    template = project.templates.get(slug)
    if template is None:
        template = Template(slug, content["name"], None, created_at=now, updated_at=now)
    template.name = content["name"]
    template.description = content.get("description")
    template.updated_at = now
    # Put in again, so that the order of the dict is the order of the last updates.
    project.templates.pop(slug, None)
    project.templates[slug] = template
    if not unpublished:
        template.versions.append(
            Version(
                number=len(template.versions) + 1,
                name=template.name,
                manifest=content["manifest"],
                page_config=content.get("pageConfig") or {},
                lenient=content.get("lenient", False),
                layout_texts=content.get("layoutTexts", ()),
            )
        )
    return template


def save_draft(state: State, project: Project, template: Template, content: Content) -> None:
    """Keep content that has been checked, for nobody but the builder to see."""
    template.draft = content
    template.updated_at = state.clock()
    # As in `publish`: the order of the dict is the order of the last updates.
    project.templates[template.slug] = project.templates.pop(template.slug)


def free_slug(project: Project, name: str) -> str:
    """A slug for a name that no other template of the project has."""
    slug = _slug(name)
    return suffixed_slug(project, name) if slug in project.templates else slug


def suffixed_slug(project: Project, name: str) -> str:
    """A slug for a name with a random suffix, that no other template of the project has."""
    while True:
        slug = f"{_slug(name)}-{secrets.token_hex(2)}"
        if slug not in project.templates:
            return slug


def _slug(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[: LONGEST_SLUG - 5].strip("-")
    return base or "template"


def not_found(slug: str) -> Refusal:
    """What Craftkit says of a template that isn't in the project."""
    return Refusal("template_not_found", f'No template with slug "{slug}" in this project.')
