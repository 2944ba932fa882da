"""Inbound hooks of a project's templates, with their tokens and secrets, as the dashboard shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.templates import not_found
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

from .access import PREFIX
from .projects import find_project

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.state import State
    from django_craftkit.sandbox.core.templates import Template
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="control")


@routes("GET", PREFIX + "/projects/<name>/hooks")
def list_hooks(call: Call, name: str) -> Response:
    """The hook of each template of a project, the last updated template last."""
    found = find_project(call, name).templates.values()
    return json_response({"hooks": [_as_json(call.state, template) for template in found]})


@routes("PATCH", PREFIX + "/projects/<name>/hooks/<slug>")
def switch(call: Call, name: str, slug: str) -> Response:
    """Have the calls of a hook signed, or not any more."""
    template = find_project(call, name).templates.get(slug)
    if template is None:
        raise not_found(slug)
    shape = Shape(call.json())
    requires_signature = shape.boolean("requires_signature", required=True)
    shape.refuse()
    template.hook.requires_signature = bool(requires_signature)
    return json_response(_as_json(call.state, template))


def _as_json(state: State, template: Template) -> dict[str, object]:
    return {
        "template": template.slug,
        "url": state.hook_url(template),
        "token": template.hook.token,
        "secret": template.hook.secret,
        "requires_signature": template.hook.requires_signature,
    }
