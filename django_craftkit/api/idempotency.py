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
    from rest_framework.request import Request

    from django_craftkit.models.mirror import Mirror

HEADER = "Idempotency-Key"
MOST = 255
#: The keys of rows that the API makes begin with it.
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
        parts = ["key", given]
    elif or_body:
        parts = ["body", json.dumps(request.data, sort_keys=True)]
    else:
        return f"{PREFIX}{uuid.uuid4().hex}"
    return PREFIX + hash_key(json.dumps([str(user_of(request).pk), action, *parts]))


def check_same(row: Mirror, **values: object) -> None:
    """Raise ``AnotherBody`` where a row was requested with other values than these.

    They are columns of the row that the model itself does not compare.
    """
    if getattr(row, "data", values) is None:
        # Retention has dropped them: nobody can tell, and the key is the same.
        values.pop("data", None)
    if differences := [name for name, value in values.items() if getattr(row, name) != value]:
        raise AnotherBody(differences)
