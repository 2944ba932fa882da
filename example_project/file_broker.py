"""Kombu's broker of files, without two of its races.

Its worker ends if it takes a message that is still being written. Who sends to all, or joins them,
fails if it reads the table of an exchange that another process has made and not filled yet.

For demonstrations and tests on one machine; a site that people use has a real broker.
"""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from time import monotonic, monotonic_ns, sleep
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

#: Seconds that a table may take to be filled.
SECONDS = 5.0


class Channel(filesystem.Channel):
    """Gives a message its name once it is whole, and waits for a table to be filled."""

    def get_table(self, exchange: str) -> Any:
        return _once_filled(super().get_table, exchange)

    def _queue_bind(self, *args: Any) -> None:
        _once_filled(super()._queue_bind, *args)

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:
        # Readers sort by the name up to the first dot, and take what ends as theirs does.
        name = f"{monotonic_ns() // 1_000_000}_{uuid.uuid4()}"
        folder = Path(self.data_folder_out)
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(dumps(payload))
        os.replace(unfinished, folder / f"{name}.{queue}.msg")


def _once_filled(act: Callable[..., Any], *args: Any) -> Any:
    end = monotonic() + SECONDS
    while True:
        try:
            return act(*args)
        except ValueError:  # of an empty file, which is no JSON
            if monotonic() > end:
                raise
            sleep(0.01)


filesystem.Transport.Channel = Channel
