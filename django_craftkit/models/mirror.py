"""What the mirrored models have in common."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock, dispatch
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.database import MAX_DEPTH, database, is_too_deep, storable

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KEY = 255
#: Characters; https://docs.craftkit.dev/api-reference/create-template
MAX_SLUG = 120
#: What the column holds.
MAX_VERSION = 2**31 - 1

#: NUL as JSON has it, and not a backslash followed by "u0000".
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def hash_key(key: str) -> str:
    """Return what a business key is compared by: collations fold case, a hash doesn't."""
    return hashlib.sha256(key.encode()).hexdigest()


def check_key(key: str) -> str:
    if not key.strip() or len(key) > MAX_KEY or key != storable(key):
        raise ValueError(f"A key has 1 to {MAX_KEY} characters of text, not {key[:200]!r}.")
    return key


def check_template(slug: str) -> str:
    if not slug or len(slug) > MAX_SLUG or not slug.isprintable():
        raise ValueError(
            f"A template's slug has 1 to {MAX_SLUG} printable characters, not {slug[:200]!r}."
        )
    return slug


def check_version(version: int | None) -> int | None:
    if version is not None and not (type(version) is int and 0 < version <= MAX_VERSION):
        raise ValueError(f"A version is a number from 1, not {version!r}.")
    return version


def check_text(name: str, text: str, most: int) -> str:
    """Return a text that a person wrote; raise ``ValueError`` where it can't be stored or sent."""
    if len(text) > most:
        raise ValueError(f"{name} has at most {most} characters, not {len(text)}.")
    if text != storable(text):
        raise ValueError(f"{name} holds a character that is none: NUL, or half a surrogate pair.")
    return text


def check_data(data: Any) -> dict[str, Any]:
    """Return the data as plain JSON values; raise ``TypeError`` or ``ValueError`` in words."""
    if not isinstance(data, dict):
        raise TypeError(f"The data of a template are a dict, not {type(data).__name__}.")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(data, cls=DjangoJSONEncoder, allow_nan=False))
        too_deep = is_too_deep(plain)
    except RecursionError:
        too_deep = True
    if too_deep:
        raise ValueError(f"The data hold more than {MAX_DEPTH} lists and dicts in one another.")
    text = json.dumps(plain, ensure_ascii=False)
    if _NUL.search(text) or not _is_text(text):
        raise ValueError("The data hold a character that is none: NUL, or half a surrogate pair.")
    return plain


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Mirror(models.Model):
    """A row about one object at Craftkit: typed columns to filter by, the rest in ``answer``."""

    project = models.CharField(_("project"), max_length=64, default=DEFAULT_PROJECT)
    # No unique key: PostgreSQL would hold up whoever refers to a row while its id is written.
    remote_id = models.UUIDField(_("Craftkit's id"), null=True, blank=True, db_index=True)
    #: What else Craftkit said of it, in its own words.
    answer = models.JSONField(_("answer"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    #: Messages by the path of the field that they are about.
    field_errors = models.JSONField(_("errors by field"), default=dict, blank=True)
    requested_at = models.DateTimeField(_("requested at"), default=clock.now)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("requested by"),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        abstract = True

    def _carry_out(self, timeout: float = 30.0) -> None:
        """Do what is due for this row now, for up to ``timeout`` seconds."""
        raise NotImplementedError

    def _asked_for(self, ask: Callable[[], bool], wait: float) -> bool:
        """Write a wish, and carry it out for as long as the caller waits; whether it was one."""
        if wait:
            dispatch.refuse_transaction()
        if not ask():
            return False
        if wait:
            self._carry_out(dispatch.seconds(wait))
        self.refresh_from_db(using=database())
        return True
