"""A file as a streamed answer, over WSGI and ASGI alike: one chunk of it is in memory at a time."""

from __future__ import annotations

import io
import threading
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, cast

from django.http import StreamingHttpResponse

from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from typing import BinaryIO

logger = get_logger(__name__)

#: Bytes that are read at once.
CHUNK = 64 * 1024
#: Reads under ASGI that a process has under way at most. Not in the executor of the event loop,
#: which looks up addresses, too: a Craftkit that dawdles would hold up everything else.
_READERS = ThreadPoolExecutor(32, "craftkit-download")


class IncompleteFile(OSError):
    """A file ended before all of it had come."""


def is_seekable(file: Any) -> bool:
    """Whether a file can be read from any place; what a storage opens may not say."""
    seekable = getattr(file, "seekable", None)
    return seekable is not None and bool(seekable())


def measured(file: BinaryIO) -> int:
    """Return the bytes of a file that is seekable, and leave it at its beginning."""
    size = file.seek(0, io.SEEK_END)
    # Django's own wrappers of files return nothing there.
    size = file.tell() if size is None else size
    file.seek(0)
    return size


class _Shared:
    """A file that one thread may close while another one reads it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reading = threading.Lock()
        self._is_closed = False

    def read(self, size: int) -> bytes:
        try:
            with self._reading:
                if self._is_closed:
                    raise ValueError("The file is closed.")
                return self._file.read(size)
        finally:
            # Whoever has left meanwhile could not close it under the read.
            if self._is_closed:
                self._file.close()

    def close(self) -> None:
        """Close it, at once or as soon as the read that is under way has ended."""
        self._is_closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._file.close()
            finally:
                self._reading.release()


class Chunks:
    """What is left of a file, up to ``size`` bytes. Fewer are an error, and never look like an end.

    ``close`` may be called from another thread than the one that reads.
    """

    def __init__(self, file: BinaryIO, size: int | None, what: str) -> None:
        """``size``: ``None`` if it is not known; ``what``: the file, for the log."""
        self._file, self._left, self._what = _Shared(file), size, what

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._read()
        except Exception as error:
            # The server breaks the connection off: whoever downloads sees that it failed.
            logger.warning("A download of %s broke off: %s", self._what, _told(error))
            raise
        if not chunk:
            raise StopIteration
        return chunk

    def _read(self) -> bytes:
        if self._left is None:
            return self._file.read(CHUNK)
        chunk = self._file.read(min(CHUNK, self._left)) if self._left else b""
        self._left -= len(chunk)
        if self._left and not chunk:
            raise IncompleteFile(f"{self._left} bytes are missing.")
        return chunk

    def close(self) -> None:
        """Close the file, at once or as soon as the read that is under way has ended."""
        self._file.close()


def _told(error: Exception) -> str:
    # What a storage says may hold addresses with a signature in them.
    return str(getattr(error, "message", "")) or type(error).__name__


class StreamedFile(StreamingHttpResponse):
    """A response that hands out chunks as they are read, also under ASGI.

    Django reads the whole of a synchronous iterator into memory there.
    """

    def __init__(self, chunks: Chunks, **options: Any) -> None:
        super().__init__(chunks, **options)
        self._chunks = chunks

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        loop = get_running_loop()
        # As middleware has left it: compressed, say.
        content = cast("Iterator[bytes]", self.streaming_content)
        try:
            while True:
                chunk = await loop.run_in_executor(_READERS, next, content, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            # The client may have gone away: then Django doesn't always close the response.
            self._chunks.close()


class AsyncFile:
    """A binary file for async code: what ``aopen`` and the like return.

    It is read in threads that look after files alone. ``async with`` closes it; ``async for`` gives
    chunks of up to 64 KiB, so that it may be handed to a ``StreamingHttpResponse``.

    Attributes:
        size: in bytes; None where Craftkit did not say.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.size: int | None = getattr(file, "content_length", None)
        if is_seekable(file):
            self.size = measured(file)
        self._file = _Shared(file)

    async def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, or all that is left; ``b""`` at the end.

        Raises:
            ValueError: it is closed.
            CraftkitError: it comes from Craftkit, and broke off.
            OSError: it comes from the archive, and can't be read.
        """
        return await get_running_loop().run_in_executor(_READERS, self._file.read, size)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while chunk := await self.read(CHUNK):
            yield chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await get_running_loop().run_in_executor(_READERS, self.close)

    def close(self) -> None:
        """Close it, at once or as soon as the read that is under way has ended."""
        self._file.close()
