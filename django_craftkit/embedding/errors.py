"""Why there is no session: what Craftkit says, in words that say what to do about it."""

from __future__ import annotations

from typing import NoReturn

from django.utils.translation import gettext as _

from django_craftkit.client import (
    AuthenticationError,
    CraftkitError,
    NotFound,
    PermissionDenied,
)
from django_craftkit.log import get_logger

logger = get_logger(__name__)


class SessionUnavailable(Exception):
    """Craftkit opens no session, or renews none; the message says why, for staff.

    Attributes:
        code: ``embed_not_enabled``, ``suspended``, ``not_found`` (the template, or the catalog),
            ``paused`` (``CRAFTKIT["PAUSED"]``), ``refused``, or ``unreachable``.
        is_passing: whether the same call may well succeed later.
    """

    def __init__(self, code: str, why: str, *, is_passing: bool = False) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.is_passing = is_passing


class SessionLost(Exception):
    """A session can't be renewed any more: another one must be opened."""


def refuse(project: str, error: CraftkitError) -> NoReturn:
    """Raise ``SessionUnavailable`` for what Craftkit said, and log it in one line."""
    code, why = reason(project, error)
    logger.warning(
        "Project %r has no embed session (%s): %s", project, code, error, extra={"project": project}
    )
    raise SessionUnavailable(code, why, is_passing=error.is_outage) from None


def reason(project: str, error: CraftkitError) -> tuple[str, str]:
    """Return why Craftkit doesn't embed: as ``SessionUnavailable.code``, and in words for staff."""
    said = {"project": project, "error": error}
    if error.is_outage:
        return "unreachable", _("Craftkit can't be reached at the moment: %(error)s") % said
    if isinstance(error, AuthenticationError):
        text = _(
            "Craftkit opens no session for the project “%(project)s”. Switch embedding on in its "
            "dashboard: Project, Embed, Overview, Enable embed mode. If it is on, the API key is "
            "wrong."
        )
        return "embed_not_enabled", text % said
    if isinstance(error, PermissionDenied):
        text = _("Craftkit has suspended embedding for the project “%(project)s”: %(error)s")
        return "suspended", text % said
    if isinstance(error, NotFound):
        text = _("Craftkit does not have what the session is to show: %(error)s")
        return "not_found", text % said
    return "refused", _("Craftkit does not accept the session: %(error)s") % said
