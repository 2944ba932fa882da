"""The badge of a document's status, and the view that keeps it fresh.

Whoever was shown a badge may refresh it: the page carries a signed token for each, so neither
rights nor sessions have to be looked up, and nothing can be guessed.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .database import database
from .models import Render

_SALT = "django_craftkit.badges"
#: Seconds that an open page goes on refreshing its badges.
MAX_AGE = 86_400
#: Badges that one request refreshes at most; ``badges.js`` knows it too.
MAX_BADGES = 200


def describe(render: Render) -> dict[str, Any]:
    """Return what a badge shows of a document."""
    return {
        "status": render.status,
        "label": str(render.get_status_display()),
        "final": render.is_final,
    }


def token_of(render: Render) -> str:
    return signing.TimestampSigner(salt=_SALT).sign(str(render.pk))


# A POST, since the tokens of a long list don't fit into an address. It changes nothing, so that
# there is nothing to forge.
@csrf_exempt
@login_not_required
@never_cache
@require_POST
def statuses(request: HttpRequest) -> JsonResponse:
    """Answer ``{token: {status, label, final}}`` for each ``token`` that is genuine."""
    pks = {}
    signer = signing.TimestampSigner(salt=_SALT)
    for token in request.POST.getlist("token")[:MAX_BADGES]:
        try:
            pks[token] = int(signer.unsign(token, max_age=MAX_AGE))
        except signing.BadSignature:
            continue
    # From where it is written: what a replica doesn't have yet would be given up as gone.
    renders = Render.objects.using(database()).only("status").in_bulk(set(pks.values()))
    return JsonResponse(
        {token: describe(renders[pk]) for token, pk in pks.items() if pk in renders}
    )
