"""JSON that comes from anybody: of any size, depth and kind."""

from __future__ import annotations

import math
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.utils import json

from .errors import TooLarge


class StrictJSONParser(BaseParser):
    """JSON as it is written in RFC 8259: UTF-8, finite numbers, up to Django's own limit of size.

    ``DATA_UPLOAD_MAX_MEMORY_SIZE`` is in bytes; REST framework's parser does not know it.
    """

    media_type = "application/json"

    def parse(self, stream: IO[bytes], *args: object, **kwargs: object) -> Any:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read() if most is None else stream.read(most + 1)
        if most is not None and len(body) > most:
            raise TooLarge
        try:
            return json.loads(body.decode(), parse_float=_finite)
        except (ValueError, RecursionError):
            raise ParseError(_("The body is no JSON.")) from None


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("The number is beyond what can be stored.")
    return number
