"""One tenant of several: what fails there holds up no other."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from django_craftkit import tenants
from django_craftkit.failures import time_limits
from django_craftkit.log import get_logger

from . import connecting

if TYPE_CHECKING:
    from collections.abc import Callable

logger = get_logger(__name__)


def alone(name: str | None, act: Callable[[], object]) -> bool:
    """Do something in a tenant; return whether it did not raise. ``None``: outside of all.

    What it raises ends in the log: tables may be in the middle of a change, a database away, or a
    project's own ``enter`` wrong.
    """
    try:
        with nullcontext() if name is None else tenants.enter(name):
            act()
    except time_limits():
        # It is about the worker, which is about to be ended.
        raise
    except Exception:
        logger.exception(
            "%s could not be seen to.", "Tenants" if name is None else f"The tenant {name!r}"
        )
        connecting.drop_broken()
        return False
    return True
