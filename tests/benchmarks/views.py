"""The webhook view that one would write by hand."""

from __future__ import annotations

import hashlib
import hmac
import json

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import BareDelivery

SECRET = b"whsec-tests"


@csrf_exempt
@require_POST
def bare(request: HttpRequest, project: str) -> HttpResponse:
    mac = hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mac, request.headers["x-craftkit-signature"]):
        return HttpResponse(status=401)
    payload = json.loads(request.body)
    BareDelivery.objects.create(
        delivery_id=request.headers["x-craftkit-delivery-id"],
        event=payload["event"],
        payload=payload,
    )
    return HttpResponse(status=200)
