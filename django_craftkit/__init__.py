"""Craftkit in Django: documents rendered, shared and followed from your own database."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the entries for ``CELERY_BEAT_SCHEDULE``; reads no settings.

    The sweep is the safety net under every message that a broker, a crash or a lost webhook can
    swallow. It runs every 5 seconds; a message that waited for two minutes is dropped.
    What is not to be kept any longer is dropped once a day.
    """
    return {
        "craftkit.sweep": {"task": "craftkit.sweep", "schedule": 5.0},
        "craftkit.prune": {"task": "craftkit.prune", "schedule": 86_400.0},
    }
