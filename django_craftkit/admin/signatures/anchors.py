"""The texts of a document's PDF to sign at, offered to who has it signed.

The PDF is opened when the form is, and what was found goes with the form: neither an error nor more
rows open it again. What is typed and was not offered is looked up once more before it is sent, and
billed. Whatever goes wrong with that, the form is there, and says why it offers nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING

from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from django_craftkit import conf, tenants
from django_craftkit.admin.common.buttons import timeout
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.log import about, get_logger
from django_craftkit.models import CraftkitError, Render, RenderFailed
from django_craftkit.models.mirror import time_left
from django_craftkit.pdf import reading
from django_craftkit.pdf.anchors import Answer, Finding, for_signatures, look_for, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.utils.functional import _StrOrPromise

logger = get_logger(__name__)

#: Seconds that opening and reading a PDF may take: somebody waits for the form.
SECONDS = 4.0
#: Bytes of a PDF that is read for a form.
MOST_BYTES = 20_000_000
#: Texts that are offered.
MOST_OFFERS = 50
#: Of a document of which nothing is known, the text of the first person; others have a number.
GUESS = "{{sign_here}}"

_SALT = "django_craftkit.admin.signatures.anchors"
_CHUNK = 1 << 16
_NOTES: dict[str, _StrOrPromise] = {
    "nothing": _(
        "No text of the PDF looks like a place to sign, as [[sign_here]] would. Write a text that "
        "it has, letter by letter."
    ),
    "no text": _("The PDF has no text that can be read, so no places to sign are offered."),
    "password": _("Only a password opens the PDF, so no places to sign are offered."),
    "size": _("The PDF is too large to be read here, so no places to sign are offered."),
    "time": _("To read the PDF takes too long, so no places to sign are offered."),
    "unreadable": _("The text of the PDF can't be read, so no places to sign are offered."),
    "unavailable": _("The PDF could not be opened just now, so no places to sign are offered."),
}


@dataclass(frozen=True)
class Anchors:
    """What is known of the texts of one PDF; without arguments: nobody has looked."""

    #: What looks as if it were meant for signatures, each with the number of its first page.
    offers: tuple[tuple[str, int], ...] = ()
    #: Why there are none: a key of ``_NOTES``.
    why: str = ""
    #: Whether its text was read, so that it can be told of others whether they are in it.
    is_read: bool = False

    @property
    def note(self) -> _StrOrPromise:
        """Why nothing is offered, in words."""
        return _NOTES.get(self.why, "")

    @cached_property
    def proposed(self) -> list[str]:
        """The offers that people sign at, in the order of the people."""
        return for_signatures(text for text, _page in self.offers)

    def proposal(self, number: int) -> str:
        """Return the text that a row of the form has at first; rows count from 0."""
        if self.is_read:
            return self.proposed[number] if number < len(self.proposed) else ""
        # Two people who look for the same text would sign at the same place.
        return f"{GUESS[:-2]}_{number + 1}}}}}" if number else GUESS

    def others(self, texts: Iterable[str]) -> list[str]:
        """Return the texts that may be missing: a PDF that was read, and did not offer them."""
        offered = dict(self.offers)
        return [text for text in texts if text not in offered] if self.is_read else []


def look(render: Render) -> Anchors:
    """Open a document's PDF, and return what it offers."""
    if not _is_to_be_read(render):
        return Anchors()
    pages, why = _read(render)
    if pages is None:
        return Anchors(why=why)
    if not any(pages):
        return Anchors(why="no text")
    # Half a surrogate pair, which a page could not be written with, is not printable either.
    found = [(text, page) for text, page in tokens(pages) if text.isprintable()]
    return Anchors(tuple(found[:MOST_OFFERS]), "" if found else "nothing", is_read=True)


def missing(render: Render, texts: list[str]) -> dict[str, Finding]:
    """Return those of the texts that are not in a document's PDF; none where nobody can tell."""
    if not texts or not _is_to_be_read(render):
        return {}
    pages, _why = _read(render)
    findings = look_for(texts, pages or ())
    return {one.text: one for one in findings if one.answer == Answer.MISSING}


def to_form(render: Render, anchors: Anchors) -> str:
    """Return what a form carries along, for ``from_form``."""
    return signing.dumps(asdict(anchors), salt=_salt(render), compress=True)


def from_form(render: Render, value: str) -> Anchors:
    """Return what was found when a form was opened; nothing, if that is of another PDF."""
    try:
        known = signing.loads(value, salt=_salt(render))
    except signing.BadSignature:
        return Anchors()
    offers = tuple((text, page) for text, page in known["offers"])
    return Anchors(offers, known["why"], known["is_read"])


def _salt(render: Render) -> str:
    return tenants.apart(f"{_SALT}:{render.pk}:{render.remote_id}")


def _is_to_be_read(render: Render) -> bool:
    """Whether to open a PDF: there is one, settings let us, and no transaction is open."""
    return (
        render.status == Render.Status.SUCCEEDED
        and conf.check_anchors() != "off"
        # Nobody has requested it: it is no "Open PDF", which a user presses.
        and not conf.options().PAUSED
        and reading.is_available()
        and timeout() > 0
    )


def _read(render: Render) -> tuple[list[str] | None, str]:
    """Return the text of each page; or ``None``, and why."""
    left = time_left(SECONDS)
    try:
        with tempfile.TemporaryFile() as file:
            _copy(render, file, left)
            file.seek(0)
            return reading.read_pages(file, seconds=left()), ""
    except reading.Unreadable as error:
        logger.info(
            "The PDF of render %s can't be read for a form: %s",
            render.pk,
            error,
            extra=about(render),
        )
        why = str(error)
        return None, why if why in _NOTES else "unreadable"
    except (CraftkitError, RenderFailed, ImproperlyConfigured, ProjectUnavailable) as error:
        logger.warning(
            "The PDF of render %s was not got for a form: %s", render.pk, error, extra=about(render)
        )
    except Exception:
        # A disk that is full, a storage that raises what it likes: the form needs no PDF.
        logger.exception(
            "The PDF of render %s could not be read for a form.", render.pk, extra=about(render)
        )
    return None, "unavailable"


def _copy(render: Render, file: IO[bytes], left: Callable[[], float]) -> None:
    size = 0
    with render.open(timeout=left()) as pdf:
        while chunk := pdf.read(_CHUNK):
            size += file.write(chunk)
            if size > MOST_BYTES:
                raise reading.Unreadable("size")
            if not left():
                raise reading.Unreadable("time")
