"""Waking a worker, the way that ``CRAFTKIT["WAKE"]`` names: Celery, Django's tasks, or none.

A request must cost its caller next to nothing, whatever becomes of the message: at most one per
process, interval and tenant, sent by a thread that nobody waits for, behind a breaker. The sweep
finds what is due if a message is lost.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django_craftkit import conf, tenants

from .waker import EXPIRES, current_waker, flush

if TYPE_CHECKING:
    from .waker import Way

__all__ = ["EXPIRES", "flush", "is_by_celery", "module", "prepare", "probe", "wake"]


def wake(delay: float = 0.0) -> None:
    """Have a worker look at what is due of this tenant, in ``delay`` seconds.

    Never raises but where the work is done on the spot, and waits for nobody.
    """
    current = current_waker()
    # Before the settings of Celery, which are slow to read.
    tenant = tenants.current()
    if not delay and current.is_under_way(tenant):
        return
    try:
        way = _way()
        is_inline = way is not None and way.is_inline()
    except Exception as error:
        # A library that is missing, or its settings are wrong: whoever asks can't mend that.
        if not current.is_resting():
            current.note(f"{type(error).__name__}: {error}")
        return
    if way is None:
        return
    if not is_inline:
        current.wake(way, _arguments(tenant), delay, tenant)
    elif not delay:
        way.send(_arguments(tenant), 0.0)


def probe() -> tuple[str, str, str]:
    """Return what carries messages, what is wrong with it if anything is, and what to do."""
    name = conf.options().WAKE
    if name == "none":
        return 'no messages (CRAFTKIT["WAKE"] is "none"): a sweep does all work', "", ""
    try:
        found: tuple[str, str, str] = module(name).probe()
    except ImportError as error:
        return f'messages by CRAFTKIT["WAKE"] = {name!r}', str(error), "See manage.py check."
    return found


def prepare() -> None:
    """Note what is known to the thread alone that sets Django up."""
    if is_by_celery():
        import_module(f"{__name__}.by_celery").remember_app()


def is_by_celery() -> bool:
    """Whether Celery carries the messages, and is installed."""
    return conf.options_or_defaults().WAKE == "celery" and find_spec("celery") is not None


def _arguments(tenant: str) -> dict[str, Any]:
    """Return what a message says: the keyword arguments of ``advance``, whoever carries it."""
    return {"tenant": tenant} if tenant else {}


def _way() -> Way | None:
    """Return how messages get to a worker; ``None`` where none does."""
    name = conf.options().WAKE
    if name == "none":
        return None
    way: Way | None = module(name).way()
    return way


def module(name: str) -> Any:
    """Return what carries messages by a name of ``WAKE``; raises where its library is missing."""
    return import_module(f"{__name__}.by_{name}")
