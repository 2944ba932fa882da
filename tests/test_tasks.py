"""Beat's messages: those that no worker took in time are dropped, whatever scheduler sent them."""

from __future__ import annotations

from datetime import datetime

import pytest
from kombu import Queue

from django_craftkit import beat_schedule
from tests import app

ENTRIES = beat_schedule()


@pytest.mark.parametrize("name", ENTRIES)
def test_a_message_is_dropped_for_the_next_one(name):
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
    assert 0 < left <= min(entry["schedule"], 3600)
