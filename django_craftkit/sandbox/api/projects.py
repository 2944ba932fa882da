"""Projects of an account: make, list, read, rename, delete, add keys (section 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import projects
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.projects import Project
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="account")


@routes("POST", "/v1/projects", statuses={"invalid_request": 422})
def create(call: Call) -> Response:
    """201; what is wrong with a name is 422 here, and 400 in the other calls."""
    shape = Shape(call.json())
    name = shape.string("name", required=True, least=1, most=120)
    shape.refuse()
    project = projects.create(call.state, str(name), account=call.account)
    return json_response({"id": project.id, "slug": project.slug, "name": project.name}, 201)


@routes("GET", "/v1/projects")
def list_all(call: Call) -> Response:
    """All that aren't deleted, the newest first.

    The documentation does not show what they are wrapped in; this takes after the templates.
    """
    found = projects.of_account(call.state, call.account)
    return json_response({"projects": [_as_json(project) for project in found]})


@routes("GET", "/v1/projects/<project_id>")
def read(call: Call, project_id: str) -> Response:
    """One project; 404 `not_found` for one of another account."""
    return json_response(_as_json(projects.find(call.state, call.account, project_id)))


@routes("PATCH", "/v1/projects/<project_id>")
def rename(call: Call, project_id: str) -> Response:
    """Another name; the slug stays. Whose it is is looked at before the body."""
    project = projects.find(call.state, call.account, project_id)
    shape = Shape(call.json())
    name = shape.string("name", required=True, least=1, most=200)
    shape.refuse()
    projects.rename(call.state, project, str(name))
    return json_response(_as_json(project))


@routes("DELETE", "/v1/projects/<project_id>")
def delete(call: Call, project_id: str) -> Response:
    """Soft; its keys are refused from now on, with 403 `forbidden`."""
    project = projects.find(call.state, call.account, project_id)
    projects.delete(call.state, project)
    return json_response({"id": project.id, "deleted": True})


@routes("POST", "/v1/projects/<project_id>/keys")
def create_key(call: Call, project_id: str) -> Response:
    """201 with a key, which no other answer shows."""
    project = projects.find(call.state, call.account, project_id)
    shape = Shape(call.json())
    name = shape.string("name", least=1, most=200)
    shape.refuse()
    api_key = projects.create_key(call.state, project, name or "API key")
    return json_response(
        {
            "id": api_key.id,
            "projectId": project.id,
            "name": api_key.name,
            "prefix": api_key.prefix,
            "key": api_key.key,
            "createdAt": iso(api_key.created_at),
        },
        201,
    )


def _as_json(project: Project) -> dict[str, object]:
    return {
        "id": project.id,
        "slug": project.slug,
        "name": project.name,
        "createdAt": iso(project.created_at),
        "updatedAt": iso(project.updated_at),
    }
