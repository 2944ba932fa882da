"""Beat's messages: those that no worker took are dropped one day, whatever scheduler sent them."""

from __future__ import annotations

from datetime import datetime

import pytest
from kombu import Queue

from django_craftkit import beat_schedule, waking
from tests import app

ENTRIES = beat_schedule()
#: Seconds: on a queue that is longer than messages live which wake a worker, a sweep has its turn.
LIVES = {"craftkit.sweep": (1.5 * waking.EXPIRES, 120), "craftkit.prune": (0, 3600)}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_message_is_dropped_one_day_and_not_too_early(name):
    """Without options, as a scheduler sends it that keeps entries in a table of its own."""
    entry = ENTRIES[name]
    queue = Queue(f"test-{name}", routing_key=f"test-{name}")
    with app.connection_for_write(url="memory://") as connection:
        bound = queue(connection.channel())
        bound.declare()
        bound.purge()
        app.tasks[entry["task"]].apply_async(connection=connection, queue=queue)
        message = bound.get(no_ack=True)
    expires = datetime.fromisoformat(message.headers["expires"])
    left = (expires - datetime.now(expires.tzinfo)).total_seconds()
    at_least, at_most = LIVES[name]
    assert at_least < left <= at_most
