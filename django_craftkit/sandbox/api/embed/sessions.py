"""Embed sessions: mint one, and renew it (sections 4.1 and 4.2). Answers are in snake_case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.checks.embed import check_session
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.sessions import Grant
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="embed", statuses={"invalid_request": 422})


@routes("POST", "/v1/embed/sessions")
def mint(call: Call) -> Response:
    """200 with a new session, with each call another one."""
    new = check_session(call.json())
    return _answer(call, call.state.sessions.mint(call.project, new))


@routes("POST", "/v1/embed/sessions/refresh")
def refresh(call: Call) -> Response:
    """200 with the next token of the same session; 401 `refresh_failed` for a used renew token."""
    shape = Shape(call.json())
    token = shape.string("renewToken", required=True, least=8)
    shape.refuse()
    return _answer(call, call.state.sessions.refresh(call.project, str(token)))


def _answer(call: Call, grant: Grant) -> Response:
    return json_response(
        {
            "session_id": grant.session.id,
            "session_token": grant.token,
            "iframe_url": grant.iframe_url(call.state.public_url),
            "expires_at": iso(grant.expires_at),
            "renew_token": grant.renew_token,
        }
    )
