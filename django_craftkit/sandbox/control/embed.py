"""Embed sessions by HTTP: let one expire, revoke it, submit its form. No answer has a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.core import forms
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.moments import iso
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

from .access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.http.call import Call

MOST_SECONDS: Final = 86_400

routes = Routes(door="control")


@routes("GET", PREFIX + "/embed/sessions")
def list_all(call: Call) -> Response:
    """All sessions, oldest first."""
    return json_response({"sessions": [_as_json(each) for each in call.state.sessions]})


@routes("POST", PREFIX + "/embed/sessions/<session_id>/expire")
def expire(call: Call, session_id: str) -> Response:
    """Let its tokens end now, or in some `seconds`; it can be renewed."""
    session = _find(call, session_id)
    shape = Shape(call.json() if call.request.get_data().strip() else {})
    seconds = shape.number("seconds", most=MOST_SECONDS)
    shape.refuse()
    call.state.sessions.expire(session, seconds or 0.0)
    return json_response(_as_json(session))


@routes("POST", PREFIX + "/embed/sessions/<session_id>/revoke")
def revoke(call: Call, session_id: str) -> Response:
    """End it: it can't be renewed."""
    session = _find(call, session_id)
    session.active = False
    return json_response(_as_json(session))


@routes("POST", PREFIX + "/embed/sessions/<session_id>/submit")
def submit(call: Call, session_id: str) -> Response:
    """Submit its form with `data`, whether its tokens have ended or not; 409 if it was revoked."""
    session = _find(call, session_id)
    shape = Shape(call.json())
    data = shape.object("data", required=True)
    shape.refuse()
    if not session.active or not call.state.embeds(session.project):
        raise Refusal("conflict", "The session was revoked, or its project embeds no more.")
    forms.check_mode(session)
    render = forms.submit(call.state, session, data or {}, {}).render
    return json_response({"renderId": render.id if render else None}, 202)


def _find(call: Call, session_id: str) -> EmbedSession:
    session = call.state.sessions.find(session_id)
    if session is None:
        raise Refusal("not_found", "Embed session not found.")
    return session


def _as_json(session: EmbedSession) -> dict[str, object]:
    return {
        "id": session.id,
        "project": session.project.slug,
        "mode": session.mode,
        "template_id": session.template_id,
        "tenant": session.new.tenant.external_id,
        "actor": session.new.actor.external_id,
        "active": session.active,
        "expires_at": iso(session.expires_at),
    }
