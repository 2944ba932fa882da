"""Projects: what they are able to send, and where their webhooks go. No answer shows a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.webhooks.deliveries import EVENTS, Subscription, known_events
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

from .access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.projects import Project
    from django_craftkit.sandbox.http.call import Call

_SWITCHES = ("email_configured", "signatures_configured", "embed_enabled", "embed_suspended")

routes = Routes(door="control")


@routes("PATCH", PREFIX + "/projects/<name>")
def switch(call: Call, name: str) -> Response:
    """Switch what a project can do off, and on again; or set the origins that may embed."""
    project = _find(call, name)
    shape = Shape(call.json())
    settings: dict[str, object] = {name: shape.boolean(name) for name in _SWITCHES}
    settings["embed_origins"] = shape.origins("embed_origins")
    if not shape.body.keys() & settings:
        shape.wrong("", f"Expected one of {', '.join(settings)}")
    shape.refuse()
    for setting, to in settings.items():
        if to is not None:
            setattr(project, setting, to)
    return json_response({"name": name} | {name: getattr(project, name) for name in settings})


@routes("GET", PREFIX + "/projects/<name>/webhooks")
def list_webhooks(call: Call, name: str) -> Response:
    """The subscriptions of a project, oldest first."""
    subscriptions = _find(call, name).subscriptions
    return json_response({"webhooks": [_as_json(each) for each in subscriptions]})


@routes("POST", PREFIX + "/projects/<name>/webhooks")
def add_webhook(call: Call, name: str) -> Response:
    """Send the events of a project, and of no other, to one URL more; all without `events`."""
    project = _find(call, name)
    shape = Shape(call.json())
    url = shape.url("url", required=True)
    secret = shape.string("secret", required=True, least=1)
    events = shape.choices("events", EVENTS)
    shape.refuse()
    subscription = Subscription(str(url), str(secret), known_events(events))
    project.subscriptions.append(subscription)
    return json_response(_as_json(subscription), 201)


@routes("DELETE", PREFIX + "/projects/<name>/webhooks/<subscription_id>")
def remove_webhook(call: Call, name: str, subscription_id: str) -> Response:
    """Queue no more for it; what is queued is sent."""
    subscriptions = _find(call, name).subscriptions
    kept = [each for each in subscriptions if each.id != subscription_id]
    if len(kept) == len(subscriptions):
        raise Refusal("not_found", "Webhook not found.")
    subscriptions[:] = kept
    return json_response({"id": subscription_id, "deleted": True})


def _find(call: Call, name: str) -> Project:
    project = call.state.projects.get(name)
    if project is None:
        raise Refusal("not_found", "Project not found.")
    return project


def _as_json(subscription: Subscription) -> dict[str, object]:
    events = [event for event in EVENTS if subscription.wants(event)]
    return {"id": subscription.id, "url": subscription.url, "events": events}
