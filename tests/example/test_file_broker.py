"""The broker of files: a message can be taken once it is whole."""

from __future__ import annotations

import os

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
