"""Files for what is measured of memory: made up while they are read, so that they take none."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.test import override_settings
from requests import Response
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1024 * 1024


class Files(BaseAdapter):
    """A Craftkit that makes up a document while it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        answer = Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        headers = {"Content-Type": "application/pdf", "Content-Length": str(self._size)}
        answer.headers.update(headers)
        answer.raw = HTTPResponse(_Pages(self._size), headers=headers, preload_content=False)
        return answer

    def close(self) -> None:
        pass


class _Pages(io.RawIOBase):
    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size
        self._beginning = b"%PDF-"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left)
        buffer[:count] = self._beginning.ljust(count, b"%")[:count]
        self._left -= count
        self._beginning = b""
        return count


@contextmanager
def craftkit(adapter: Any, folder: str = "") -> Iterator[None]:
    project = {"API_KEY": "ck_test_sandbox", "BASE_URL": "http://craftkit.sandbox"}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    storages = {"craftkit": {**storage, "OPTIONS": {"location": folder}}}
    with override_settings(
        CRAFTKIT_PROJECTS={"default": {**project, "ADAPTER": adapter}}, STORAGES=storages
    ):
        yield


@contextmanager
def growth(found: list[float]) -> Iterator[None]:
    """Add to ``found`` how many MiB this process had more meanwhile, at most."""
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    yield
    found.append((_memory("VmHWM") - before) / MEGABYTE)


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"This machine does not tell {name}.")
