"""Inbound hooks: a render for whoever knows a template's token (section 3)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from django_craftkit.sandbox.core import renders
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.core.templates import of_hook
from django_craftkit.sandbox.core.webhooks.deliveries import sign
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.core.templates import InboundHook
    from django_craftkit.sandbox.http.call import Call

routes = Routes(door="open")


@routes("POST", "/v1/hooks/<token>")
def trigger(call: Call, token: str) -> Response:
    """202 for a new render, with every call another one: hooks have no idempotency keys.

    The answer has the three fields that the documentation is sure of.
    """
    project, template = of_hook(call.state, token)
    _check_signature(call, template.hook)
    data = call.json("invalid_input_data")
    render = renders.create(
        call.state, project, template.slug, data, version_number=None, filename=None, key=None
    )
    poll_url = f"{call.state.public_url}/v1/renders/{render.id}"
    return json_response({"id": render.id, "status": "queued", "pollUrl": poll_url}, 202)


def _check_signature(call: Call, hook: InboundHook) -> None:
    """Refuse a wrong signature, and a missing one if it is required.

    The documentation has no code for one that is missing and required; this takes the same.
    """
    signature = call.request.headers.get("x-craftkit-signature")
    if signature is None:
        if hook.requires_signature:
            raise Refusal("invalid_signature", "The x-craftkit-signature header is required.")
        return
    expected = sign(hook.secret, call.request.get_data())
    if not compare_digest(expected.encode(), signature.encode()):
        raise Refusal("invalid_signature", "The signature does not match the body.")
