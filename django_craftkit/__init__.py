"""Craftkit in Django: documents rendered, shared and followed from your own database."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return the entries for ``CELERY_BEAT_SCHEDULE``; reads no settings.

    ``craftkit.sweep`` does every 5 seconds what a lost message or webhook has left undone; its own
    messages expire after two minutes. ``craftkit.prune`` drops once a day what is not kept.
    """
    return {
        "craftkit.sweep": {"task": "craftkit.sweep", "schedule": 5.0},
        "craftkit.prune": {"task": "craftkit.prune", "schedule": 86_400.0},
    }
