"""What the tests of signature requests say in the same words."""

from __future__ import annotations

import json
import uuid

from django_craftkit.models import (
    Change,
    Render,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.sandbox.api.signatures import as_json
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import pass_time

GUEST = Recipient("Ελένη", "Παπαδοπούλου", "eleni@example.com")
SKIPPER = Recipient("José", "Núñez", "jose@example.com")
TAGS = [AnchorTag("{{sign_here}}", "signature", recipient=0)]

POST = {"method": "POST", "path": "/v1/signatures"}
LIST = {"method": "GET", "path": "/v1/signatures"}
GET = {"method": "GET", "path": "/v1/signatures/*"}
CANCEL = {"method": "POST", "path": "/v1/signatures/*/cancel"}


def send(render: Render, *people: Recipient, **more: object) -> SignatureRequest:
    people = people or (GUEST, SKIPPER)
    more = {"anchor_tags": TAGS, "name": "Charter", **more}
    return render.send_for_signature(people, **more)


def send_and_sign(craftkit, render: Render, *people: Recipient, every: float) -> SignatureRequest:
    """Send a document out, and have these people sign it there, so many seconds apart."""
    request = send(render)
    craftkit.run()
    (there,) = craftkit.sandbox.signatures
    for person in people:
        craftkit.pass_time(every)
        craftkit.sandbox.sign(there.id, person.email)
    return request


def calls(craftkit, method: str, ending: str) -> int:
    return sum(
        call.method == method and call.path.endswith(ending) for call in craftkit.sandbox.requests
    )


def posts(craftkit) -> int:
    return calls(craftkit, "POST", "/signatures")


def until(craftkit, request: SignatureRequest, status: str, *, minutes: float = 30) -> None:
    """Let time pass until a request is in a status."""
    left = minutes * 60
    while True:
        craftkit.run()
        request.refresh_from_db()
        if request.status == status:
            return
        assert left > 0, f"After {minutes} minutes it is {request.status}: {request.error}"
        left -= pass_time(craftkit)


def calls_within(craftkit, hours: float) -> int:
    """Return how many calls are made while so much time passes."""
    before, left = len(craftkit.sandbox.requests), hours * 3600
    while left > 0:
        craftkit.run()
        left -= pass_time(craftkit)
    return len(craftkit.sandbox.requests) - before


def history(request: SignatureRequest) -> list[str]:
    changes = Change.objects.filter(kind="signature", object_id=request.pk).order_by("pk")
    return list(changes.values_list("to_status", flat=True))


def answer(craftkit, there, **odd: object) -> dict[str, object]:
    """Return Craftkit's answer about a request, with something else in it."""
    return {"status": 200, "body": json.dumps({**as_json(craftkit.sandbox.state, there), **odd})}


def tell(event: str, request: SignatureRequest, name: str = "", **said: object) -> None:
    """Have a webhook come in."""
    body = {
        "event": f"signature.{event}",
        "signatureRequestId": str(request.remote_id),
        "renderId": str(request.render.remote_id),
        **said,
    }
    WebhookDelivery.objects.store("default", name or str(uuid.uuid4()), json.dumps(body).encode())


def end_there(craftkit) -> list[str]:
    return [one.status for one in craftkit.sandbox.signatures]


ORDER = ["sent", "viewed", "signed", "signed", "completed"]
