"""Signature requests: their credits and delays, and what recipients or the provider would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django_craftkit.sandbox.api.signatures import as_json
from django_craftkit.sandbox.core.checks.shape import Shape
from django_craftkit.sandbox.core.errors import Refusal
from django_craftkit.sandbox.http.answers import json_response
from django_craftkit.sandbox.http.routing import Routes

from .access import PREFIX

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from django_craftkit.sandbox.http.call import Call

MOST_SECONDS: Final = 86_400.0

routes = Routes(door="control")


@routes("PATCH", PREFIX + "/signatures")
def set_all(call: Call) -> Response:
    """Credits (null: without end), delays, in seconds, and whether anchors have to be there."""
    body = call.json()
    shape = Shape({name: value for name, value in body.items() if value is not None})
    credits_left = shape.integer("credits", least=0)
    archive_delay = shape.number("archive_delay", most=MOST_SECONDS)
    certificate_delay = shape.number("certificate_delay", most=MOST_SECONDS)
    strict_anchors = shape.boolean("strict_anchors")
    shape.refuse()
    signing = call.state.signing
    if "credits" in body:
        signing.credits = credits_left
    if archive_delay is not None:
        signing.archive_delay = archive_delay
    if "certificate_delay" in body:
        signing.certificate_delay = certificate_delay
    if strict_anchors is not None:
        signing.strict_anchors = strict_anchors
    names = ("credits", "billed", "archive_delay", "certificate_delay", "strict_anchors")
    return json_response({name: getattr(signing, name) for name in names})


@routes("POST", PREFIX + "/signatures/<request_id>/<any(view,sign,decline,expire,fail):action>")
def act(call: Call, request_id: str, action: str) -> Response:
    """Do what a recipient would, or the provider; 409 `conflict` if it can't be done."""
    state = call.state
    shape = Shape(call.json() if call.request.get_data().strip() else {})
    email = shape.string("email", required=action in {"view", "sign", "decline"})
    reason = shape.string("reason", most=500)
    message = shape.string("message") or "Processing failed."
    shape.refuse()
    request = state.signature(request_id)
    if request is None:
        raise Refusal("not_found", "Signature request not found.")
    try:
        match action:
            case "view":
                state.signing.view(request, request.recipient(str(email)))
            case "sign":
                state.signing.sign(request, request.recipient(str(email)))
            case "decline":
                state.signing.decline(request, request.recipient(str(email)), reason)
            case "expire":
                state.signing.expire(request)
            case _:
                state.signing.fail(request, message)
    except ValueError as error:
        raise Refusal("conflict", str(error)) from None
    return json_response(as_json(state, request))
