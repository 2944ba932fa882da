"""Images that are put into a form: what they are, by their first bytes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from urllib3 import encode_multipart_formdata

from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.limits import check_text, refuse
from django_craftkit.client.transport import Body

if TYPE_CHECKING:
    from typing import BinaryIO

LARGEST: Final = 10 * 1024 * 1024
"""Bytes of one image. Craftkit says 10 MB; should it mean 10,000,000, it refuses the rest."""

_SVG: Final = "image/svg+xml"
_NO_BYTES: Final = "is not bytes, or a file that is open for reading bytes"
#: By its content type, what an image of this kind begins with.
_BEGINNINGS: Final = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.S),
    "image/tiff": re.compile(rb"II\*\0|MM\0\*"),
    _SVG: re.compile(
        rb"(\xef\xbb\xbf)?\s*((<\?xml|<!--|<!DOCTYPE svg).{0,4000}?)?<svg[\s>/]", re.S | re.I
    ),
}
_OTHER_NAMES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/svg": _SVG,
}
_TYPE: Final = re.compile(r"image/[a-z0-9!#$&^_.+-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedImage(Answer):
    """An image that Craftkit keeps for a form.

    Source: https://docs.craftkit.dev/api-reference/upload-form-image
    """

    url: str = field(repr=False)
    """Open to whoever has it; goes into the form's data. As Craftkit sent it."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "uploaded image")
        return cls(url=fields.url("url"), **fields.rest())


def multipart(file: BinaryIO | bytes, content_type: str | None, filename: str | None) -> Body:
    """An image as Craftkit takes it.

    Args:
        file, content_type, filename: as in `CraftkitSession.upload_image`.

    Raises:
        InvalidData: empty, too large, or not what it is said to be.
    """
    # Before anything is read of a file that can't be read twice.
    declared = None if content_type is None else _declared(content_type)
    if filename is not None:
        _check_filename(filename)
    content = file if isinstance(file, bytes) else _read(file)
    if not content:
        refuse("file", "is empty")
    if len(content) > LARGEST:
        refuse("file", "is larger than 10 MB")
    kind = _kind(content, declared)
    if filename is None:
        filename = f"image.{kind.removeprefix('image/').partition('+')[0]}"
    return Body(*encode_multipart_formdata({"file": (filename, content, kind)}))


def _check_filename(filename: object) -> None:
    # Of no characters it would be a field of the form, and no file.
    check_text("filename", filename, 1)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in str(filename)):
        refuse("filename", "holds a control character, or half of one")


def _read(file: BinaryIO) -> bytes:
    """Read a file, which may be a pipe, and no further than to see that it is too large.

    One that can go back is left where it was: the call may be refused, and made once more.
    """
    if not hasattr(file, "read"):
        refuse("file", _NO_BYTES)
    start = file.tell() if hasattr(file, "seekable") and file.seekable() else None
    content = bytearray()
    try:
        while len(content) <= LARGEST:
            part = file.read(LARGEST + 1 - len(content))
            if not isinstance(part, bytes):
                refuse("file", _NO_BYTES)
            if not part:
                break
            content += part
    finally:
        if start is not None:
            file.seek(start)
    return bytes(content)


def _declared(content_type: str) -> str:
    """What was declared, in Craftkit's spelling."""
    kind = ""
    if isinstance(content_type, str):
        kind = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        refuse("content_type", "is not image/…")
    return _OTHER_NAMES.get(kind, kind)


def _kind(content: bytes, declared: str | None) -> str:
    """The content type to send: what was declared, unless the bytes say otherwise."""
    told = next((kind for kind, begins in _BEGINNINGS.items() if begins.match(content)), None)
    if declared is None:
        if told is None:
            refuse("file", "is no image of a kind that is known here: give its content_type")
        return told
    # An SVG may begin with anything that XML may.
    is_known = declared in _BEGINNINGS and declared != _SVG
    if declared != told and (told is not None or is_known):
        refuse("content_type", "is not what the file is by its first bytes")
    return declared
