"""Messages by Celery, to the task ``craftkit.advance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, current_app

from .waker import EXPIRES

if TYPE_CHECKING:
    from collections.abc import Mapping

TASK = "craftkit.advance"
#: Seconds for the broker to answer who asks whether it does.
BROKER_TIMEOUT = 3

_app: Celery | None = None


def remember_app() -> None:
    """Keep the project's Celery app: in other threads ``current_app`` is another, empty one."""
    global _app
    _app = current_app._get_current_object()  # type: ignore[attr-defined]


def celery_app() -> Celery | None:
    """Return the project's Celery app; ``None`` where it has none, and no broker."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    # "default" is the app that Celery makes up where nobody has made one.
    if app.main == "default" and _app is not None:
        app = _app
    return None if app.main == "default" and not app.conf.broker_url else app


def way() -> CeleryWay | None:
    app = celery_app()
    return None if app is None else CeleryWay(app)


def probe() -> tuple[str, str, str]:
    app = celery_app()
    if app is None:
        return "no Celery app: manage.py craftkit_work has to run", "", ""
    what = "the broker answers"
    try:
        with app.connection_for_write(connect_timeout=BROKER_TIMEOUT) as connection:
            what = f"the broker {connection.as_uri()} answers"
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)
    except Exception as error:
        # A broker's client may raise anything, also where the client itself is not installed.
        fix = (
            "Start it, install its client, or mend CELERY_BROKER_URL. Until then only a sweep "
            "carries requests out."
        )
        return what, f"{type(error).__name__}: {error}", fix
    return what, "", ""


class CeleryWay:
    """Sends by an app that was found in the thread that asks."""

    can_defer = True

    def __init__(self, app: Celery) -> None:
        self._app = app

    def is_inline(self) -> bool:
        return bool(self._app.conf.task_always_eager)

    def send(self, arguments: Mapping[str, Any], countdown: float) -> None:
        self._app.tasks[TASK].apply_async(
            kwargs=dict(arguments),
            countdown=countdown,
            expires=countdown + EXPIRES,
            retry=False,
            ignore_result=True,
        )
