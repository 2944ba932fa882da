"""The inbox: read, verify, store, wake, answer."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from django_craftkit import clock, conf, dispatch
from django_craftkit.database import database, non_atomic
from django_craftkit.models import WebhookDelivery

from .signature import is_genuine, is_timely

logger = logging.getLogger(__name__)


# Each for a reason: Craftkit has no CSRF token, no session (LoginRequiredMiddleware), and a
# delivery is stored whatever happens after it.
@csrf_exempt
@login_not_required
@non_atomic
@require_POST
def receive(request: HttpRequest, project: str) -> HttpResponse:
    """Take one webhook: 200 once it is stored, 4xx for what is not Craftkit's.

    Nothing is parsed here, so nothing that the bytes say can fail.
    """
    try:
        secrets = conf.webhook_secrets(project)
    except conf.UnknownProject:
        raise Http404(f"No Craftkit project {project!r}.") from None
    options = conf.options()
    try:
        body = request.read(options.WEBHOOK_MAX_BYTES + 1)
    except UnreadablePostError:
        return _refuse(project, 400, "the body could not be read")
    if len(body) > options.WEBHOOK_MAX_BYTES:
        return _refuse(project, 413, f"the body is over {options.WEBHOOK_MAX_BYTES} bytes")
    if not secrets:
        return _refuse(project, 401, f"CRAFTKIT_PROJECTS[{project!r}] has no WEBHOOK_SECRETS")
    if not is_genuine(body, request.headers.get("x-craftkit-signature", ""), secrets):
        return _refuse(project, 401, "no secret of the project made its signature")
    timestamp = request.headers.get("x-craftkit-timestamp", "")
    if not is_timely(timestamp, options.WEBHOOK_TOLERANCE, clock.now().timestamp()):
        return _refuse(project, 400, "its timestamp is missing or too far off")
    WebhookDelivery.objects.store(project, request.headers.get("x-craftkit-delivery-id", ""), body)
    dispatch.wake_on_commit(database())
    return HttpResponse(status=200)


def _refuse(project: str, status: int, why: str) -> HttpResponse:
    logger.warning("A webhook for the project %r was refused: %s.", project, why)
    return HttpResponse(f"Refused: {why}.\n", status=status, content_type="text/plain")
