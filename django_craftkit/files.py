"""PDFs as answers to requests: streamed, kept by no cache, in parts, and errors in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _

from django_craftkit.client import NotFound
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.log import about, get_logger
from django_craftkit.models import CraftkitError, RenderFailed
from django_craftkit.streaming import Chunks, StreamedFile, is_seekable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from django.db.models import Model
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_craftkit.models.archive import OpenFile

logger = get_logger(__name__)

#: Seconds that a file may take to begin.
SECONDS = 5.0
#: One range of bytes. Of several, and of what is none, the whole file is the answer.
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class FileUnavailable(Exception):
    """Neither the archive nor Craftkit hands a file out; the message says why, in words."""

    def __init__(self, why: str, *, is_gone: bool = False) -> None:
        super().__init__(why)
        self.why = why
        #: Whether nobody has it any more, so that another try is of no use.
        self.is_gone = is_gone


def streamed(
    request: HttpRequest,
    open_file: Callable[[], OpenFile],
    name: str,
    row: Model,
    *,
    on_begin: Callable[[], object] = lambda: None,
) -> HttpResponseBase:
    """Answer ``GET`` and ``HEAD`` with a PDF, and a ``Range`` of it where the file can be sought.

    Args:
        open_file: ``Render.open_file``, or one of a signature request's.
        name: what the file is called unless the row says.
        on_begin: called before an answer that has the beginning of the file in it: a viewer
            requests many parts of one. If it raises, so does this.

    Raises:
        FileUnavailable: there is no file to be had; one line in the log says why.
        RenderFailed: the document ended without one.
    """
    opened = _opened(open_file, row)
    try:
        response = _answer(request, opened, name, row)
        content_range = response.headers.get("Content-Range", "bytes 0-")
        if response.streaming and content_range.startswith("bytes 0-"):
            on_begin()
    except BaseException:
        # Nobody gets the answer, which would close it.
        opened.file.close()
        raise
    return response


def _answer(request: HttpRequest, opened: OpenFile, name: str, row: Model) -> HttpResponseBase:
    headers = {
        "Content-Type": "application/pdf",
        "Content-Disposition": content_disposition_header(False, file_name(row, name)) or "inline",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    # What it is known by is the same for ever: what was downloaded in part can be continued.
    etag = f'"{opened.sha256}"' if opened.sha256 else ""
    if etag:
        headers["ETag"] = etag
    size, status, start = opened.size, 200, 0
    if size is not None:
        if is_seekable(opened.file):
            headers["Accept-Ranges"] = "bytes"
            part = _part(request, size, etag)
            if part is not None and not part:
                opened.file.close()
                headers["Content-Range"] = f"bytes */{size}"
                return HttpResponse(status=416, headers=headers)
            if part is not None:
                headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
                status, start, size = 206, part.start, len(part)
        headers["Content-Length"] = str(size)
    if request.method == "HEAD":
        opened.file.close()
        return HttpResponse(headers=headers)
    if start:
        opened.file.seek(start)
    return StreamedFile(Chunks(opened.file, size, _known_as(row)), status=status, headers=headers)


def file_name(row: Any, name: str) -> str:
    """Return what the PDF of a row is called: as its ``filename`` says, else by ``name``."""
    given = re.sub(r"[/\\]", "-", getattr(row, "filename", ""))
    if given:
        return given if given.lower().endswith(".pdf") else f"{given}.pdf"
    return f"{slugify(name) or f'document-{row.pk}'}.pdf"


def _opened(open_file: Callable[[], OpenFile], row: Model) -> OpenFile:
    what = _known_as(row)
    try:
        return open_file()
    except (Error, RenderFailed):
        raise
    except (CraftkitError, ImproperlyConfigured, ProjectUnavailable) as error:
        logger.warning("A file of %s could not be opened: %s", what, error, extra=about(row))
        # What is wrong with settings is no business of whoever reads documents.
        why = error.message if isinstance(error, CraftkitError) else ""
        is_gone = isinstance(error, NotFound) and not error.is_passing
        raise FileUnavailable(why, is_gone=is_gone) from error
    except Exception as error:
        # A storage raises what it likes, a file that was moved away included.
        logger.exception("The archive did not hand out a file of %s.", what, extra=about(row))
        why = _("This site's archive did not hand it out.")
        raise FileUnavailable(why, is_gone=isinstance(error, FileNotFoundError)) from error


def _known_as(row: Model) -> str:
    # Names and keys may be about people: the log has the number alone.
    return f"{row._meta.model_name} {row.pk}"


def _part(request: HttpRequest, size: int, etag: str) -> range | None:
    """Return the bytes that are requested, none where the file has none of them.

    ``None``: all of it. That is also the answer to ranges that can't be read, and to one that
    continues another file (``If-Range``).
    """
    given = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if request.method != "GET" or given is None or given[1] == given[2] == "":
        return None
    if request.headers.get("If-Range", etag) != etag:
        return None
    if not given[1]:
        return range(max(size - int(given[2]), 0), size)
    first = int(given[1])
    last = int(given[2]) if given[2] else max(first, size)
    if last < first:
        return None
    return range(first, min(last + 1, size))
