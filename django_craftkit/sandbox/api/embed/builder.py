"""The builder's templates: make one of a layout, list them (section 4.5).

`pages/embed/builder.py` has the page on which they are edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import builder
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.doors import is_allowed_origin
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="embed", statuses={"invalid_request": 422})


@routes("POST", "/v1/embed/builder/templates", door="builder", statuses={})
def create(call: Call) -> Response:
    """200 with the template as a document, its unknown keys as they came.

    A project key may publish; a session needs its permission `saveDraft`, and publishes with
    `publish`. Its origin is part of who it is.
    """
    may_publish = True
    session = call.session_or_none
    if session is not None:
        if not is_allowed_origin(session.project, call.request, call.state.public_url):
            code = "missing_or_invalid_authorization"
            raise Refusal(code, "The origin is not on the project's list.")
        session.refuse_without("saveDraft")
        may_publish = session.may("publish")
    shape = Shape(call.json())
    document = shape.object("documentTemplate", required=True) or {}
    fields = Shape(document, shape.issues, "documentTemplate")
    name = fields.string("name") or builder.UNTITLED
    # Not validated: what can't be read is kept, and not published.
    layout = document.get("layout")
    preset = document.get("presetKey")
    if preset is not None:
        fields.string("presetKey")
    shape.refuse()
    template = builder.create(
        call.state,
        call.project,
        name,
        layout if isinstance(layout, dict) else None,
        may_publish=may_publish,
    )
    answer = {
        "design": None,
        **document,
        "_id": template.id,
        "organizationId": call.project.id,
        "name": name,
        "sD": False,
        "cAt": iso(template.created_at),
        "presetKey": preset,
        "isCustomTemplate": True,
        "layout": layout,
    }
    return json_response({"documentTemplate": answer})


@routes("GET", "/v1/embed/builder/templates")
def list_all(call: Call) -> Response:
    """All templates that aren't deleted, the newest updated first."""
    return json_response(
        {
            "templates": [
                {
                    "id": each.id,
                    "name": each.name,
                    "slug": each.slug,
                    "createdAt": iso(each.created_at),
                    "updatedAt": iso(each.updated_at),
                    "category": None,
                }
                for each in reversed(call.project.templates.values())
            ]
        }
    )
