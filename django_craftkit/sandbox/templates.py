"""Templates: create, republish, list, read, delete (sections 4.4 to 4.8)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import TYPE_CHECKING, Any

from .http import ApiError, Issues, json_response
from .ids import iso
from .manifest import check_manifest, json_schema
from .records import Template, Version
from .routing import Routes
from .shapes import Shape

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from .http import Call
    from .records import Project
    from .state import State

routes = Routes()

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MOST_SLUG = 120


@routes("POST", "/v1/templates")
def create(call: Call) -> Response:
    """201 with version 1; 409 `slug_conflict` if the slug that was sent is taken."""
    body = call.json()
    issues = Issues()
    slug = Shape(body, issues).string("slug")
    if slug is not None:
        _check_slug(slug, issues)
    content = _check_body(body, issues)
    if slug is None:
        slug = _free_slug(call.project, content["name"])
    elif slug in call.project.templates:
        raise ApiError(409, "slug_conflict", f'A template with slug "{slug}" already exists.')
    template = publish(call.state, call.project, slug, content)
    return json_response(_published(template), 201)


@routes("PUT", "/v1/templates/<slug>")
def put(call: Call, slug: str) -> Response:
    """201 for a new slug, 200 for the next version: one more with every call."""
    body = call.json()
    issues = Issues()
    _check_slug(slug, issues)
    content = _check_body(body, issues)
    known = slug in call.project.templates
    template = publish(call.state, call.project, slug, content)
    return json_response(_published(template), 200 if known else 201)


@routes("GET", "/v1/templates")
def list_all(call: Call) -> Response:
    """All templates that aren't deleted, the newest updated first."""
    # `publish` puts a template at the end of the dict whenever it touches it.
    newest_first = reversed(call.project.templates.values())
    return json_response({"templates": [_summary(template) for template in newest_first]})


@routes("GET", "/v1/templates/<slug>")
def read(call: Call, slug: str) -> Response:
    """One template with its manifest, or with nulls if nothing is published."""
    template = find(call.state, call.project, slug)
    current = template.current
    body = _summary(template)
    body["description"] = template.description
    body["manifest"] = current.manifest if current else None
    body["jsonSchema"] = json_schema(current.manifest) if current else None
    return json_response(body)


@routes("DELETE", "/v1/templates/<slug>")
def delete(call: Call, slug: str) -> Response:
    """Soft: the slug is free again, renders and share links live on."""
    template = call.project.templates.pop(slug, None)
    if template is None:
        raise _not_found(slug)
    template.deleted_at = call.state.clock()
    call.project.deleted_templates.append(template)
    return json_response({"id": template.id, "slug": slug, "deletedAt": iso(template.deleted_at)})


def find(state: State, project: Project, slug: str) -> Template:
    """The template of a slug; a lenient sandbox makes one up that takes any data.

    Raises:
        ApiError: 404 `template_not_found`.
    """
    template = project.templates.get(slug)
    if template is None and state.lenient and _SLUG.fullmatch(slug):
        template = publish(state, project, slug, anything(slug))
    if template is None:
        raise _not_found(slug)
    return template


def anything(slug: str) -> dict[str, Any]:
    """The content of a template that takes any data as it comes."""
    name = slug.replace("-", " ").capitalize()
    return {"name": name, "manifest": {"variables": [], "loops": []}, "lenient": True}


def publish(
    state: State, project: Project, slug: str, content: dict[str, Any], *, unpublished: bool = False
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
            )
        )
    return template


def check_slug(slug: str) -> None:
    """Raise `ApiError` as PUT answers if this can be no slug."""
    issues = Issues()
    _check_slug(slug, issues)
    issues.refuse()


def check_content(body: dict[str, Any], *, dotted_loops: bool = False) -> dict[str, Any]:
    """The content of a PUT, checked; raises `ApiError` as PUT answers."""
    return _check_body(body, Issues(), dotted_loops=dotted_loops)


def _check_body(
    body: dict[str, Any], issues: Issues, *, dotted_loops: bool = False
) -> dict[str, Any]:
    shape = Shape(body, issues)
    shape.string("name", required=True, least=1, most=120)
    shape.string("description", most=280)
    shape.object("layout")
    page_config = shape.object("pageConfig")
    if page_config is not None:
        page = Shape(page_config, issues, "pageConfig")
        page.string("format")
        page.choice("orientation", ("portrait", "landscape"))
        page.boolean("printBackground")
    manifest = check_manifest(shape, dotted_loops=dotted_loops)
    issues.refuse()
    return {
        "name": body["name"],
        "description": body.get("description"),
        "manifest": manifest,
        "pageConfig": page_config,
    }


def _check_slug(slug: str, issues: Issues) -> None:
    if len(slug) > _MOST_SLUG:
        issues.add("slug", f"String must contain at most {_MOST_SLUG} character(s)")
    elif not _SLUG.fullmatch(slug):
        issues.add("slug", "Invalid")


def _free_slug(project: Project, name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[: _MOST_SLUG - 5].strip("-")
    base = base or "template"
    slug = base
    while slug in project.templates:
        slug = f"{base}-{secrets.token_hex(2)}"
    return slug


def _published(template: Template) -> dict[str, Any]:
    version = template.versions[-1]
    return {
        "id": template.id,
        "slug": template.slug,
        "currentVersionNumber": version.number,
        "manifest": version.manifest,
    }


def _summary(template: Template) -> dict[str, Any]:
    current = template.current
    return {
        "id": template.id,
        "name": template.name,
        "slug": template.slug,
        "templateType": template.template_type,
        "currentVersionNumber": current.number if current else None,
        "published": current is not None,
        "createdAt": iso(template.created_at),
        "updatedAt": iso(template.updated_at),
    }


def _not_found(slug: str) -> ApiError:
    return ApiError(404, "template_not_found", f'No template with slug "{slug}" in this project.')
