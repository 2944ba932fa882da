"""The broker of files: a message, and the table of an exchange, are read once they are whole."""

from __future__ import annotations

import os
import threading

import file_broker  # noqa: F401 - it mends kombu's
import pytest
from kombu import Connection


def test_a_message_that_is_still_being_written_is_not_taken(tmp_path, monkeypatch):
    folder = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    options = {**folder, "control_folder": str(tmp_path / "control")}
    replace, seen = os.replace, []

    def last_moment(source, target):
        seen.extend(path.name for path in tmp_path.glob("*.msg"))
        replace(source, target)

    monkeypatch.setattr(os, "replace", last_moment)
    with Connection("filesystem://", transport_options=options) as connection:
        queue = connection.SimpleQueue("work")
        queue.put({"a": "ü"})
        assert seen == []
        assert queue.get(block=False).payload == {"a": "ü"}
        queue.close()


@pytest.mark.parametrize("act", ["read", "joined"])
def test_a_table_that_another_has_made_and_not_filled_is_waited_for(tmp_path, act):
    folder = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    control = tmp_path / "control"
    control.mkdir()
    table = control / "all.exchange"
    table.touch()
    filler = threading.Timer(0.2, table.write_text, ['[["", "", "first"]]'])
    options = {**folder, "control_folder": str(control)}
    with Connection("filesystem://", transport_options=options) as connection:
        channel = connection.default_channel
        filler.start()
        if act == "joined":
            channel._queue_bind("all", "", "", "second")
        queues = {one.queue for one in channel.get_table("all")}
        filler.join()
    assert queues == ({"first"} if act == "read" else {"first", "second"})
