"""The badges of documents and signature requests, and the view that refreshes them.

Whoever was shown a badge may refresh it: the page carries a signed token for each, so the view
checks neither permissions nor sessions, and nothing can be guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import tenants
from .models import Render, SignatureRecipient, SignatureRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import Model, QuerySet

    M = TypeVar("M", bound=Model)

#: What is shown, for a template and for JSON.
Badge = dict[str, object]

_SALT = "django_craftkit.badges"
#: So that no token stands for a row of the other table.
_SIGNATURE_SALT = "django_craftkit.badges.signature"
#: Seconds that an open page goes on refreshing its badges.
MAX_AGE = 86_400
#: Badges that one request refreshes at most; ``badges.js`` knows it too.
MAX_BADGES = 200


def describe(render: Render) -> Badge:
    """Return what a badge shows of a document: of one that was taken back, that it was."""
    if render.withdrawn_at is not None and render.is_final:
        return {"status": "withdrawn", "label": gettext("withdrawn"), "final": True}
    return _status_of(render)


def _status_of(row: Render | SignatureRequest) -> Badge:
    return {
        "status": row.status,
        "label": str(row.get_status_display()),
        "final": row.is_final,
    }


def token_of(render: Render) -> str:
    return _signer(_SALT).sign(str(render.pk))


def describe_signature(request: SignatureRequest) -> Badge:
    """Return what a badge shows of a signature request: how far it is, and nobody's name."""
    cc = SignatureRecipient.Designation.CC
    acting = [one for one in request.recipients.all() if one.designation != cc]
    signed = sum(one.signed_at is not None for one in acting)
    badge = _status_of(request) | {"signed": signed}
    is_under_way = request.is_open or (signed and request.status != request.Status.COMPLETED)
    if acting and is_under_way:
        said = {"status": badge["label"], "signed": signed, "all": len(acting)}
        badge["label"] = gettext("%(status)s, %(signed)s of %(all)s signed") % said
    return badge


def signature_token_of(request: SignatureRequest) -> str:
    return _signer(_SIGNATURE_SALT).sign(str(request.pk))


# A POST, since the tokens of a long list don't fit into an address. It changes nothing, so that
# there is nothing to forge.
@csrf_exempt
@login_not_required
@never_cache
@require_POST
def statuses(request: HttpRequest) -> HttpResponse:
    """Answer ``{token: {status, label, final}}`` for each ``token`` that is genuine.

    That of a signature request has ``signed``, too: how many have.
    """
    # As badges.js sends it. Of other forms the sender would choose the encoding, and with it what
    # texts are made of their bytes; and files.
    if request.content_type != "application/x-www-form-urlencoded":
        return HttpResponse(status=415)
    try:
        tokens = request.POST.getlist("token")[:MAX_BADGES]
    except UnreadablePostError:
        return HttpResponse(status=400)  # nobody is there any more
    # From where it is written: what a replica doesn't have yet would be taken for gone.
    renders = Render.objects.writer().only("status", "withdrawn_at")
    requests = SignatureRequest.objects.writer().only("status").with_signers()
    known = _described(renders, _genuine(tokens, _SALT), describe)
    known |= _described(requests, _genuine(tokens, _SIGNATURE_SALT), describe_signature)
    return JsonResponse({token: known[token] for token in tokens if token in known})


def _signer(salt: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=tenants.apart(salt))


def _genuine(tokens: Iterable[str], salt: str) -> dict[str, int]:
    """Return the primary keys that tokens stand for, without those that stand for none."""
    signer = _signer(salt)
    pks = {}
    for token in tokens:
        try:
            pks[token] = int(signer.unsign(token, max_age=MAX_AGE))
        except (signing.BadSignature, ValueError):
            continue  # half a surrogate pair, say, which can't be signed
    return pks


def _described(
    rows: QuerySet[M], pks: dict[str, int], describe: Callable[[M], Badge]
) -> dict[str, Badge]:
    found = rows.in_bulk(set(pks.values()))
    return {token: describe(found[pk]) for token, pk in pks.items() if pk in found}
