"""Templates: create, republish, list, read, delete (sections 4.4 to 4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.checks.templates import check_content, check_slug
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.core.templates import find, free_slug, not_found, publish
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

from .json_schema import json_schema

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.templates import Template
    from django_craftkit.sandbox.http.call import Call

routes = Routes()


@routes("POST", "/v1/templates")
def create(call: Call) -> Response:
    """201 with version 1; 409 `slug_conflict` if the slug that was sent is taken."""
    shape = Shape(call.json())
    slug = shape.string("slug")
    if slug is not None:
        check_slug(slug, shape)
    content = check_content(shape)
    if slug is None:
        slug = free_slug(call.project, content["name"])
    elif slug in call.project.templates:
        raise Refusal("slug_conflict", f'A template with slug "{slug}" already exists.')
    template = publish(call.state, call.project, slug, content)
    return json_response(_published(template), 201)


@routes("PUT", "/v1/templates/<slug>")
def put(call: Call, slug: str) -> Response:
    """201 for a new slug, 200 for the next version: one more with every call."""
    shape = Shape(call.json())
    check_slug(slug, shape)
    content = check_content(shape)
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
        raise not_found(slug)
    template.deleted_at = call.state.clock()
    call.project.deleted_templates.append(template)
    return json_response({"id": template.id, "slug": slug, "deletedAt": iso(template.deleted_at)})


def _published(template: Template) -> dict[str, object]:
    version = template.versions[-1]
    return {
        "id": template.id,
        "slug": template.slug,
        "currentVersionNumber": version.number,
        "manifest": version.manifest,
    }


def _summary(template: Template) -> dict[str, object]:
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
