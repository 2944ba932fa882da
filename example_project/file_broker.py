"""Kombu's broker of files, whose worker ends if it takes a message that is still being written.

For demonstrations and tests on one machine; a site that people use has a real broker.
"""

import os
import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Gives a message its name once it is whole."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:
        # Readers sort by the name up to the first dot, and take what ends as theirs does.
        name = f"{monotonic_ns() // 1_000_000}_{uuid.uuid4()}"
        folder = Path(self.data_folder_out)
        unfinished = folder / f"{name}.unfinished"
        unfinished.write_text(dumps(payload))
        os.replace(unfinished, folder / f"{name}.{queue}.msg")


filesystem.Transport.Channel = Channel
