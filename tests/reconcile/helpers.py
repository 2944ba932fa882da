"""What the tests of the reconciler say in the same words."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection

#: What can go wrong with a call, and is over after a while.
TROUBLE = {
    "500": {"kind": "status", "status": 500},
    "500 after the fact": {"kind": "status", "status": 500, "handled": True},
    "503": {"kind": "status", "status": 503, "code": "queue_unavailable"},
    "429 with Retry-After": {
        "kind": "status",
        "status": 429,
        "code": "rate_limited",
        "retry_after": 40,
    },
    "403": {"kind": "status", "status": 403, "code": "forbidden"},
    "402": {"kind": "status", "status": 402, "code": "signature_credits_exhausted"},
    "a proxy's page": {"kind": "garbage"},
    "a proxy's page after the fact": {"kind": "garbage", "status": 200, "handled": True},
    "no answer in time": {"kind": "delay", "seconds": 600},
    "cut before it is handled": {"kind": "cut_before"},
    "cut after it is handled": {"kind": "cut_after"},
    "refused": {"kind": "refused"},
    "no connection": {"kind": "connect_timeout"},
}


def logged(caplog: pytest.LogCaptureFixture, module: str) -> list[tuple[str, Any]]:
    """Return the level and the arguments of each warning or error of a module of the package."""
    return [
        (record.levelname, record.args)
        for record in caplog.records
        if record.name == f"django_craftkit.{module}" and record.levelno >= logging.WARNING
    ]


locks_rows = pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="This database locks its file, not rows.",
)
