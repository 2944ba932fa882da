from __future__ import annotations

import hashlib
import hmac
import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import HandBooking
from .tasks import tell


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    secret = settings.CRAFTKIT_PROJECTS["default"]["WEBHOOK_SECRETS"][0].encode()
    mac = hmac.new(secret, request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mac, request.headers["x-craftkit-signature"]):
        return HttpResponse(status=401)
    payload = json.loads(request.body)
    HandBooking.objects.filter(render_id=payload["renderId"]).update(status=payload["status"])
    tell.delay(payload["renderId"])
    return HttpResponse(status=200)
