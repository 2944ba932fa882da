"""``craftkit/health/``: whether work goes on, for monitors; from this site's database alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from . import conf
from .database import non_atomic
from .log import get_logger
from .metrics import health as read_health
from .permissions import allows

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .metrics import Health

logger = get_logger(__name__)

_HEADERS = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"}


@non_atomic
@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 where work goes on, 503 where somebody must act, and 404 to strangers.

    Whoever sends ``Authorization: Bearer`` and ``CRAFTKIT["HEALTH_TOKEN"]`` is told, and users with
    the permission ``craftkit.view_projectstate``.
    """
    if not (_has_token(request) or _may_see(request)):
        return HttpResponse(status=404, headers=_HEADERS)
    try:
        found = read_health()
    except Error as error:
        logger.error("Its health can't be read: %s", type(error).__name__)
        body = _body([{"check": "tables", "project": ""}])
        return JsonResponse(body, status=503, headers=_HEADERS)
    problems = [{"check": one.check, "project": one.project} for one in found.problems]
    body = _body(problems) | _told(found)
    return JsonResponse(body, status=503 if problems else 200, headers=_HEADERS)


@sensitive_variables()
def _has_token(request: HttpRequest) -> bool:
    token = conf.options().HEALTH_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    return constant_time_compare(given.strip(), token)


def _may_see(request: HttpRequest) -> bool:
    user: Any = getattr(request, "user", None) or AnonymousUser()
    return allows(user, "view_projectstate")


def _body(problems: list[dict[str, str]]) -> dict[str, object]:
    return {"status": "error" if problems else "ok", "problems": problems}


def _told(found: Health) -> dict[str, object]:
    return {
        "at": found.at,
        "paused": found.is_paused,
        "projects": {
            one.alias: {
                "worker_seen": one.worker_seen,
                "swept": one.swept,
                "webhook_heard": one.webhook_heard,
                "paused": {name or "everything": age for name, age in one.paused.items()},
            }
            for one in found.projects
        },
        "oldest_job": found.oldest_job,
        "oldest_webhook": found.oldest_webhook,
    }
