"""``Idempotency-Key``: the same request of the same user is carried out once.

A key belongs to its user and its action: a row is stored under a hash of user, action and key. So
no key leads to a row of another user, and a link and a mail with one key are two rows.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from django_craftkit.models.arguments import hash_key
from django_craftkit.permissions import user_of

from .errors import AnotherBody

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from rest_framework.request import Request

    from django_craftkit.models.mirror import Mirror

HEADER = "Idempotency-Key"
MOST = 255
#: What rows of the API are known by begins with it.
PREFIX = "api:"
_PRINTABLE = re.compile(rf"[\x21-\x7e]{{1,{MOST}}}")


def key_of(request: Request, action: str, *, or_body: bool = False) -> str:
    """Return the key of the row that a request is to make by an action, ``"share"`` say.

    Without the header, each request makes a new row. With ``or_body``, for what mails people or
    costs money, the body is the key then: the same user never sends the same body twice.
    """
    given = request.headers.get(HEADER)
    if given is not None:
        if not _PRINTABLE.fullmatch(given):
            text = _("It has 1 to %d visible ASCII characters.") % MOST
            raise ValidationError({HEADER: [text]})
        return _key(user_of(request), action, "key", given)
    if or_body:
        return _key(user_of(request), action, "body", json.dumps(request.data, sort_keys=True))
    return f"{PREFIX}{uuid.uuid4().hex}"


def _key(user: AbstractBaseUser, *parts: str) -> str:
    return PREFIX + hash_key(json.dumps([str(user.pk), *parts]))


def check_own(row: Mirror, user: AbstractBaseUser, **wanted: object) -> None:
    """Raise ``AnotherBody`` where a row is somebody else's, or was not asked for with these values.

    ``wanted`` are columns of the row that the model itself does not compare.
    """
    if row.requested_by_id != user.pk:
        raise AnotherBody
    if differences := [name for name, value in wanted.items() if getattr(row, name) != value]:
        raise AnotherBody(differences)
