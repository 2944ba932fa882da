"""The inbox: read, verify, store, wake, answer. ``reconcile/deliveries.py`` goes on from there."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict
from typing import TypeAlias

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from django_craftkit import clock, conf, credentials, tenants
from django_craftkit.database import non_atomic
from django_craftkit.log import get_logger
from django_craftkit.models import WebhookDelivery

from .body import UnusableBody, is_length_unknown, read_body
from .signature import is_genuine, is_timely

logger = get_logger(__name__)

#: A tenant, and the alias of a project.
Bucket: TypeAlias = tuple[str, str] | None

#: Seconds between two log lines about one project.
INTERVAL = 60.0
#: Projects that it is remembered of when they were logged last.
MOST = 1000
#: How many calls for projects that nobody knows ask the resolver, in so many seconds.
MOST_STRANGE, STRANGE_SECONDS = 100, 10.0
#: Stands in where a project has no secret: its answer must not come sooner than another's.
_NOBODYS_SECRET = secrets.token_bytes(32)


class Refusals:
    """Logs why webhooks were refused: one line a minute and project, which counts the rest.

    Strangers who know the address can be refused as often as they like, so the log must not grow
    with it, nor memory: ``bucket`` is an alias that is known, of a tenant, or None for all that
    aren't.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: OrderedDict[Bucket, float] = OrderedDict()
        self._unsaid: dict[Bucket, Counter[str]] = {}

    def note(self, bucket: Bucket, project: str, why: str) -> None:
        """Log why a webhook for ``project`` was refused, or count it for the next line."""
        now = time.monotonic()
        with self._lock:
            if now < self._next.get(bucket, now):
                self._unsaid.setdefault(bucket, Counter())[why] += 1
                return
            self._next[bucket] = now + INTERVAL
            self._next.move_to_end(bucket)
            if len(self._next) > MOST:
                self._unsaid.pop(self._next.popitem(last=False)[0], None)
            unsaid = self._unsaid.pop(bucket, Counter())
        text = f"{why}."
        if unsaid:
            more = "; ".join(f"{number} times: {what}" for what, number in unsaid.most_common())
            text += f" Refused since the last such line: {more}."
        # The alias is a stranger's text, from the address.
        logger.warning("A webhook for the project %r was refused: %s", project[:64], text)


class Strangers:
    """Counts calls for projects that there are not, or that nobody can tell of.

    Each asks the resolver, which may be slow, or down.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = self._number = 0.0

    def note(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._began > STRANGE_SECONDS:
                self._began, self._number = now, 0
            self._number += 1

    @property
    def are_too_many(self) -> bool:
        """Whether the resolver is asked for nobody who is not known, for some seconds."""
        is_now = time.monotonic() - self._began <= STRANGE_SECONDS
        return is_now and self._number >= MOST_STRANGE


_refusals = Refusals()
_strangers = Strangers()


# Each for a reason: Craftkit has no CSRF token, no session (LoginRequiredMiddleware), and a
# delivery is stored whatever happens after it.
@csrf_exempt
@login_not_required
@non_atomic
@require_POST
def receive(request: HttpRequest, project: str) -> HttpResponse:
    """Take one webhook: 200 once it is stored, 4xx for what is not Craftkit's.

    Only bodies that may hold personal data are parsed, to leave these out before they are stored:
    nothing that the bytes say can make it fail. The answer depends on what was sent alone, and
    tells a stranger nothing of projects and secrets.
    """
    options = conf.options()
    try:
        body = read_body(request, options.WEBHOOK_MAX_BYTES)
    except UnusableBody as error:
        return _refuse(project, error.status, error.answer, error.why)
    if options.PROJECT_RESOLVER and _strangers.are_too_many and not credentials.is_known(project):
        return _refuse(project, 503, "Try again later", "too many unknown projects were called")
    try:
        known, why = _secrets(project)
    except credentials.ProjectUnavailable:
        # Whoever it is, it is nobody that this process has met.
        _strangers.note()
        why = "PROJECT_RESOLVER could not tell what its secrets are"
        return _refuse(project, 503, "Try again later", why)
    # Not request.headers: it reads all of them for three.
    signature = request.META.get("HTTP_X_CRAFTKIT_SIGNATURE", "")
    if not is_genuine(body, signature, known or [_NOBODYS_SECRET]) or not known:
        if is_length_unknown(request):
            why = "it came in chunks, which this server does not pass on"
            return _refuse(project, 411, "The length of the body is needed", why)
        return _refuse(project, 401, "The signature is wrong", why)
    timestamp = request.META.get("HTTP_X_CRAFTKIT_TIMESTAMP", "")
    if not is_timely(timestamp, options.WEBHOOK_TOLERANCE, clock.seconds()):
        why = "its timestamp is missing or too far off"
        return _refuse(project, 400, "The timestamp is missing or too far off", why)
    delivery_id = request.META.get("HTTP_X_CRAFTKIT_DELIVERY_ID", "")
    WebhookDelivery.objects.store(project, delivery_id, body)
    return HttpResponse(status=200)


def _secrets(project: str) -> tuple[list[bytes], str]:
    """Return a project's secrets, and why a signature that none of them made is refused."""
    try:
        known = credentials.webhook_secrets(project)
    except conf.UnknownProject:
        if conf.options().PROJECT_RESOLVER:
            _strangers.note()
        return [], "there is no such project"
    except ImproperlyConfigured as error:
        return [], str(error).rstrip(".")
    if not known:
        return [], f"{credentials.place_of(project)} has no WEBHOOK_SECRETS"
    return known, "no secret of the project made its signature"


def _refuse(project: str, status: int, answer: str, why: str) -> HttpResponse:
    """Answer in words that tell nothing of the settings; the log gets the reason."""
    bucket = (tenants.current(), project) if credentials.is_known(project) else None
    _refusals.note(bucket, project, why)
    response = HttpResponse(f"{answer}.\n", status=status, content_type="text/plain")
    # Else Django logs each of them once more (django.utils.log.log_response).
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
