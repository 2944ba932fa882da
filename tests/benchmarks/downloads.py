"""The most memory that a large document takes while this site hands it out."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import RequestFactory, override_settings

from django_craftkit.models import ArchivedFile, Render
from django_craftkit.models.arguments import hash_key

from .files import MEGABYTE, Files, craftkit, growth
from .measure import Figure, empty, say

if TYPE_CHECKING:
    from collections.abc import Callable


def downloads(megabytes: int) -> list[Figure]:
    """From the archive and from Craftkit, over WSGI and over ASGI, three times each."""
    say(f"A document of {megabytes} MB, downloaded:")
    size = megabytes * MEGABYTE
    figures = []
    options = {"DOWNLOAD_MAX_BYTES": size, "RECORD_DOWNLOADS": False}
    with (
        tempfile.TemporaryDirectory() as folder,
        craftkit(lambda: Files(size), folder),
        override_settings(CRAFTKIT=options),
    ):
        for origin in ("the archive", "Craftkit"):
            url = _document(size, Path(folder) if origin == "the archive" else None)
            for gateway, read in (("WSGI", _over_wsgi), ("ASGI", _over_asgi)):
                grown = _measured(partial(read, url), size)
                name = f"MiB more while {megabytes} MB come from {origin} over {gateway}, at most"
                figures.append(Figure(name, [max(grown)], at_most=32))
    return figures


def _document(size: int, folder: Path | None) -> str:
    empty()
    render = Render.objects.create(
        template="invoice",
        key="1",
        key_hash=hash_key("1"),
        remote_id=uuid.uuid4(),
        status=Render.Status.SUCCEEDED,
    )
    if folder is not None:
        with (folder / "large.pdf").open("wb") as file:
            file.truncate(size)
        ArchivedFile.objects.create(
            kind=ArchivedFile.Kind.RENDER, object_id=render.pk, name="large.pdf", size=size
        )
    return render.get_download_url(guest=True, expires=3600)


def _measured(read: Callable[[], int], size: int) -> list[float]:
    grown: list[float] = []
    for _ in range(3):
        with growth(grown):
            if read() != size:
                raise RuntimeError("Not all of it came.")
    return grown


def _over_wsgi(url: str) -> int:
    environ = RequestFactory()._base_environ(PATH_INFO=url)
    response: Any = WSGIHandler()(environ, lambda status, headers: None)
    try:
        return sum(map(len, response))
    finally:
        response.close()


def _over_asgi(url: str) -> int:
    # Each request over ASGI has a thread of its own, whose connection nobody else would close.
    settings = connections["default"].settings_dict
    before, settings["CONN_MAX_AGE"] = settings["CONN_MAX_AGE"], 0
    try:
        return asyncio.run(_called(url))
    finally:
        settings["CONN_MAX_AGE"] = before


async def _called(url: str) -> int:
    received = 0
    messages = [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the client stays
        raise AssertionError("unreachable")

    async def send(message: Any) -> None:
        nonlocal received
        received += len(message.get("body", b""))

    headers = [(b"host", b"testserver")]
    scope = {"type": "http", "method": "GET", "path": url, "headers": headers}
    await ASGIHandler()(scope, receive, send)
    return received
