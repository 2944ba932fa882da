"""A document while it is downloaded: a binary file that can't end early without saying so."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final, NoReturn

from django_craftkit.client.deadline import Deadline
from django_craftkit.client.errors import CraftkitConnectionError, CraftkitError, InvalidResponse
from django_craftkit.client.failures import NETWORK_ERRORS, of_reading
from django_craftkit.client.secret import Door, Secret
from django_craftkit.client.transport import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests
    from _typeshed import WriteableBuffer

    from django_craftkit.client.transport import Transport

DOWNLOAD_LIMIT: Final = 100_000_000
"""Bytes of a PDF that are read, unless the client or the call says otherwise."""
RATE: Final = 50_000
"""Bytes a second that Craftkit must send on average, beyond what its first `timeout` brought."""
HEAD: Final = 1024
"""Bytes in which a PDF has to begin."""

# White space as PDF has it, and a byte order mark: viewers read over them.
_BEFORE: Final = b"\0\t\n\f\r \xef\xbb\xbf"


def fetch(transport: Transport, path: str, max_bytes: int | None) -> Download:
    """GET a PDF of at most `max_bytes`; None is the limit of the client."""
    limit = transport.max_download_bytes if max_bytes is None else max_bytes
    response, deadline = transport.stream(path, accept="application/pdf")
    return Download(response, path, max_bytes=limit, door=transport.door, deadline=deadline)


class Download(io.RawIOBase):
    """A PDF as a readable binary file, to be closed; iterating gives chunks, not lines.

    At most one chunk (64 KiB) is in memory. A short file never looks like a whole one: every read
    after the connection broke, or ended before `content_length` bytes came, raises
    `CraftkitConnectionError`. Every read after more than `max_bytes` came raises `InvalidResponse`.
    Where `content_length` is None, only HTTP's own framing vouches.

    Its beginning comes within the client's `timeout`, as the answer does. The rest may take longer:
    the `timeout` is its reserve, waiting for Craftkit uses that up, and each byte that comes gives
    back 20 µs. So less than 50 kB a second in the long run raise `CraftkitTimeout`.

    Attributes:
        content_type: `application/pdf`.
        content_length: bytes to expect, None if Craftkit did not say.

    Raises:
        InvalidResponse: Craftkit sent no PDF, or announced more than `max_bytes`; the response is
            closed. A PDF is called so and begins with `%PDF-`, after white space and a byte order
            mark at most.
    """

    def __init__(
        self,
        response: requests.Response,
        path: str,
        *,
        max_bytes: int | None = None,
        door: Door | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        super().__init__()
        self._deadline = deadline or Deadline(math.inf)
        # Until the beginning has come; then it is that of the rest.
        self._reserve = self._deadline.left()
        self._door = door or Door(Secret(""))
        self._response = response
        self._path = path
        self._chunks: Iterator[bytes] = response.iter_content(CHUNK)
        self._left = memoryview(b"")
        self._received = 0
        self._max_bytes = max_bytes
        self._failure: CraftkitError | None = None
        self.content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        self.content_length = _length(response)
        if self.content_type.lower() != "application/pdf" or response.status_code != 200:
            self._refuse(InvalidResponse("Craftkit sent something that is not a whole PDF."))
        if (failure := self._excess(self.content_length or 0)) is not None:
            self._refuse(failure)
        if not self._begins_as_pdf():
            self._refuse(InvalidResponse("What Craftkit sent does not begin as a PDF does."))
        self._reserve = self._deadline.seconds

    def __repr__(self) -> str:
        return f"<Download {self.content_type}, {self.content_length} bytes, {self._path}>"

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk

    def __next__(self) -> bytes:
        if chunk := self.read(CHUNK):
            return chunk
        raise StopIteration

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer; less only at the end of the document."""
        if self.closed:
            raise ValueError("I/O operation on a closed download.")
        target = memoryview(buffer).cast("B")
        # `read` brings memory that was used before, by a header perhaps, and error pages show it.
        target[:] = bytes(len(target))
        filled = 0
        while filled < len(target) and (self._left or self._more()):
            count = min(len(self._left), len(target) - filled)
            target[filled : filled + count] = self._left[:count]
            self._left = self._left[count:]
            filled += count
        return filled

    def close(self) -> None:
        if not self.closed:
            self._left = memoryview(b"")
            self._response.close()
        super().close()

    def _more(self) -> bool:
        """Fetch the next chunk; False at the end that was agreed on."""
        self._advance()
        if self._failure is not None:
            # A fresh one each time: raising one object twice would chain tracebacks.
            failure = self._failure
            raise type(failure)(failure.message, maybe_handled=True, method="GET", path=self._path)
        return bool(self._left)

    def _advance(self) -> None:
        """Fetch the next chunk, which is empty at the end; or note what keeps it from coming."""
        # Bytes that are too many are not handed out by the next read either.
        self._left = memoryview(b"")
        if self._failure is not None:
            return
        chunk = self._door(self._fetch)
        if isinstance(chunk, CraftkitError):
            self._failure = chunk
            return
        self._received += len(chunk)
        self._failure = self._excess(self._received) or self._shortfall(ended=not chunk)
        if self._failure is None:
            self._left = memoryview(chunk)

    def _fetch(self) -> bytes | CraftkitError:
        self._deadline.restart(self._reserve)
        try:
            chunk = next(self._chunks, b"")
            left = self._deadline.at_most()
            self._reserve = min(left + len(chunk) / RATE, self._deadline.seconds)
            return chunk
        except NETWORK_ERRORS as error:
            return of_reading(error)

    def _begins_as_pdf(self) -> bool:
        """Look at the first bytes, which stay to be read; what failed by then, reading tells."""
        head = b""
        while len(head) < HEAD:
            self._advance()
            if not self._left:
                break
            head += self._left
        if self._failure is not None:
            return True
        self._left = memoryview(head)
        return head[:HEAD].lstrip(_BEFORE).startswith(b"%PDF-")

    def _refuse(self, failure: InvalidResponse) -> NoReturn:
        self.close()
        failure.status, failure.method = self._response.status_code, "GET"
        failure.path = self._path
        raise failure

    def _excess(self, count: int) -> InvalidResponse | None:
        if self._max_bytes is None or count <= self._max_bytes:
            return None
        return InvalidResponse(f"The download is larger than {self._max_bytes:,} bytes.")

    def _shortfall(self, *, ended: bool) -> CraftkitError | None:
        got, expected = self._received, self.content_length
        if expected is None or got == expected or (got < expected and not ended):
            return None
        return CraftkitConnectionError(
            f"The download is not whole: {got} bytes came of {expected}."
        )


def _length(response: requests.Response) -> int | None:
    """Content-Length where it counts the bytes that are read here."""
    encoded = response.headers.get("Content-Encoding", "identity").strip().lower()
    if "Transfer-Encoding" in response.headers or encoded not in ("", "identity"):
        return None
    length = response.headers.get("Content-Length", "").strip()
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
