"""What the processes of the tests have beside the suite's apps: work that kills them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.dispatch import Signal

#: The function that makes the data, and the order that it kills its process for.
BUILDER, KILLER = "tests.process.apps.build", "KILLER"

#: The first order, which takes so long that the others are built in threads of their own.
SLOW = "SLOW"
#: These run at once: all have begun before one dies.
_begun = threading.Barrier(3, timeout=1.5)


def build(order: Any) -> dict[str, Any]:
    """Make the data of four orders, three of them in three threads; one ends the process."""
    if order.number == SLOW:
        time.sleep(0.3)
    elif connection.vendor != "sqlite":  # which makes the others wait for this one
        with contextlib.suppress(threading.BrokenBarrierError):
            _begun.wait()
            if order.number != KILLER:
                time.sleep(60)  # it never comes to that
    if order.number == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"number": order.number}


class ProcessConfig(AppConfig):
    name = "tests.process"
    label = "process"

    def ready(self) -> None:
        from django_craftkit.events import render_on

        render_on(Signal(), template="invoice", key=lambda order: order.number)(build)
