"""Arguments of callers, checked before the first query, which would break their transaction.

Each function returns what it was given, ready to be stored. Each raises ``TypeError`` for another
type and ``ValueError`` for what can't be stored or sent.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.duration import duration_iso_string
from django.utils.functional import Promise

from django_craftkit import clock, dispatch
from django_craftkit.client import encoding
from django_craftkit.data import convert
from django_craftkit.database import MAX_DEPTH, is_too_deep, sanitized

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MAX_KEY = 255
#: Characters of the name of a batch.
MAX_NAME = 255
#: Characters; https://docs.craftkit.dev/api-reference/create-template
MAX_SLUG = 120
#: What the column holds.
MAX_VERSION = 2**31 - 1
#: Characters of the name of a PDF; what the column holds. Craftkit names no limit.
MAX_FILENAME = 255
#: The first and the last moment that can be shown, and read back, in every zone.
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

#: NUL as JSON has it, and not a backslash followed by "u0000".
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def hash_key(key: str) -> str:
    """Return what a business key is compared by: collations fold case, a hash doesn't."""
    return hashlib.sha256(key.encode()).hexdigest()


def check_key(key: str) -> str:
    _need_text("key", key)
    if not key.strip() or len(key) > MAX_KEY or key != sanitized(key):
        raise ValueError(f"A key has 1 to {MAX_KEY} characters of text, not {key[:200]!r}.")
    return key


def check_template(slug: str) -> str:
    _need_text("template", slug)
    if not slug or len(slug) > MAX_SLUG or not slug.isprintable():
        raise ValueError(
            f"A template's slug has 1 to {MAX_SLUG} printable characters, not {slug[:200]!r}."
        )
    return slug


def check_version(version: int | None) -> int | None:
    if version is not None and not (type(version) is int and 0 < version <= MAX_VERSION):
        raise ValueError(f"A version is a number from 1, not {version!r}.")
    return version


def check_filename(filename: str) -> str:
    """Return the name of a PDF without what leads into a folder, or is no character.

    Separators and control characters become ``-``; dots and spaces at its ends go. ``""``:
    Craftkit names it.
    """
    _need_text("filename", filename)
    plain = sanitized(filename)
    kept = "".join(
        "-"
        if character in "/\\" or not (character == " " or character.isprintable())
        else character
        for character in plain
    ).strip(" .")
    if filename and not kept:
        raise ValueError(f"filename={filename[:64]!r} names no file.")
    if len(kept) > MAX_FILENAME:
        raise ValueError(f"filename has at most {MAX_FILENAME} characters, not {len(kept)}.")
    return kept


def check_text(name: str, text: str, most: int) -> str:
    """Check a text of at most so many characters."""
    _need_text(name, text)
    if len(text) > most:
        raise ValueError(f"{name} has at most {most} characters, not {len(text)}.")
    if text != sanitized(text):
        raise ValueError(f"{name} holds a character that is none: NUL, or half a surrogate pair.")
    return text


def _need_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}: write a str.")


def check_expiry(expires_at: datetime | None) -> datetime | None:
    """Check when a link is to end: a moment to come, of this site's kind (``USE_TZ``)."""
    if expires_at is None:
        return None
    if not isinstance(expires_at, datetime):
        raise TypeError(
            f"expires_at is a {type(expires_at).__name__}: write a datetime, as in "
            "timezone.now() + timedelta(days=7)."
        )
    is_naive = timezone.is_naive(expires_at)
    if settings.USE_TZ and is_naive:
        raise ValueError("expires_at must be aware: a naive time means another moment there.")
    if not settings.USE_TZ and not is_naive:
        raise ValueError("expires_at must be naive, as all times of this site are (USE_TZ).")
    if expires_at > (LATEST.replace(tzinfo=None) if is_naive else LATEST):
        raise ValueError(
            f"expires_at is after {LATEST:%Y-%m-%d}, which not every time zone has. A link "
            "without an end has expires_at=None."
        )
    if expires_at <= clock.now():
        raise ValueError(f"expires_at is over: {expires_at:%Y-%m-%d %H:%M}.")
    return expires_at


def check_user(user: AbstractBaseUser | None) -> Any:
    """Check a user of this site's model; ``request.user`` may be nobody, and may be lazy."""
    if user is None:
        return None
    if getattr(user, "is_anonymous", False):
        raise TypeError("user= is a visitor who has not logged in. Pass None for nobody.")
    if not isinstance(user, get_user_model()):
        raise TypeError(f"user= is a {type(user).__name__}, not a user of this site.")
    if user.pk is None:
        raise ValueError("user= has no primary key yet: save it before asking.")
    return user


def may_wait(wait: float) -> float:
    """Return how many seconds to wait for ``wait=``; 0: not at all.

    Raises ``RuntimeError`` inside a transaction, where nothing can be sent.
    """
    if not isinstance(wait, (bool, int, float)):
        raise TypeError(f"wait= is a {type(wait).__name__}: write True, or seconds.")
    if not (math.isfinite(wait) and wait >= 0):
        raise ValueError(f"wait= is {wait!r}: write True, or seconds from 0 on.")
    if wait:
        dispatch.refuse_transaction()
    return 30.0 if wait is True else float(wait)


def check_data(data: Any, name: str = "data") -> dict[str, Any]:
    """Return data, or metadata, as plain JSON values: as the client sends them.

    A decimal is its digits in a text, an aware moment is in UTC.
    """
    if not isinstance(data, dict):
        raise TypeError(f"{name} is a {type(data).__name__}: write a dict.")
    if is_too_deep(data):
        raise ValueError(f"{name} holds more than {MAX_DEPTH} lists and dicts in one another.")
    plain: dict[str, Any] = json.loads(json.dumps(data, default=_encoded, allow_nan=False))
    text = json.dumps(plain, ensure_ascii=False)
    if _NUL.search(text) or text != sanitized(text):
        raise ValueError(f"{name} holds a character that is none: NUL, or half a surrogate pair.")
    return plain


def document_data(data: Any) -> dict[str, Any]:
    """Return a document's data as Craftkit takes them: see ``django_craftkit.data.convert``.

    Moments are in the site's time zone, whoever's is active: a day is the same to every reader.
    Raises ``TypeError`` for what is no mapping, and ``NotConvertible``, a ``ValueError``, for what
    can't be sent, with its place.
    """
    if not isinstance(data, Mapping) and not is_dataclass(data):
        raise TypeError(f"data is a {type(data).__name__}: write a dict.")
    with timezone.override(timezone.get_default_timezone()):
        return convert(data)


def _encoded(value: object) -> Any:
    """Encode what Django adds to what the client knows: lazy texts and durations."""
    match value:
        case Promise():
            return str(value)
        case timedelta():
            return duration_iso_string(value)
    return encoding.plain(value)
