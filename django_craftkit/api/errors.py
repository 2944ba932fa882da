"""Errors in one shape: ``{"code", "message", "errors": [{"field", "code", "message"}]}``.

What Craftkit refuses of a row has the same shape, and names the fields of our own request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, UnreadablePostError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.settings import api_settings

from django_craftkit.data import message_of
from django_craftkit.database import sanitized
from django_craftkit.models import (
    DataUnknown,
    KeyConflict,
    NothingToRender,
    RenderSuperseded,
    RenderWithdrawn,
)
from django_craftkit.models.problems import Problem
from django_craftkit.signing import InvalidSignatureRequest

if TYPE_CHECKING:
    from django_craftkit.models.mirror import Mirror

#: Characters of a message, and of the name of a field; errors that an answer lists.
LONGEST, LONGEST_NAME, MOST = 2_000, 200, 100
#: The code with which Craftkit refuses data: it names the fields from within them.
_INVALID_DATA = "invalid_input_data"
#: What Craftkit calls differently: https://docs.craftkit.dev/api-reference/create-signature
_OURS = {"recipientIndex": "recipient", "expirationHours": "expires_in_hours"}

Error = dict[str, str]
Body = dict[str, object]


class Conflict(exceptions.APIException):
    """The row is not in a state for this."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class AnotherBody(exceptions.APIException):
    """The Idempotency-Key stands for something else."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "key_conflict"
    default_detail = gettext_lazy("This Idempotency-Key was used for another request.")

    def __init__(self, differences: Iterable[str] = ()) -> None:
        super().__init__()
        self.errors = [
            one_error(name, "differs", _("It differs from that of the first request."))
            for name in differences
        ]


class TooLarge(exceptions.APIException):
    """The body is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = gettext_lazy("The body is too large.")


class Unavailable(exceptions.APIException):
    """Craftkit, or the archive, does not hand a file out."""

    status_code = status.HTTP_502_BAD_GATEWAY
    default_code = "unavailable"
    default_detail = gettext_lazy("The file can't be had at the moment. Try again later.")


def one_error(field: str, code: str, message: str) -> Error:
    return {"field": field[:LONGEST_NAME], "code": code, "message": message[:LONGEST]}


def shape(code: str, message: str, errors: Iterable[Error] = ()) -> Body:
    # What was sent may be quoted, halves of surrogate pairs included.
    body: Body = sanitized({"code": code, "message": message, "errors": [*islice(errors, MOST)]})
    return body


def handle(error: Exception, context: dict[str, object]) -> Response | None:
    """Return the answer to an error; ``None`` for one of our own, which is a 500."""
    known = _known(error)
    if known is None:
        return None
    headers = {}
    if header := getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(known, "wait", None)) is not None:
        headers["Retry-After"] = f"{wait:.0f}"
    if isinstance(known, exceptions.ValidationError):
        body = shape("invalid", _("The request is not valid."), _flat(known.detail))
    else:
        errors = getattr(known, "errors", ())
        body = shape(str(known.get_codes()), str(known.detail), errors)
    return Response(body, status=known.status_code, headers=headers)


def _known(error: Exception) -> exceptions.APIException | None:
    match error:
        case exceptions.APIException():
            return error
        case Http404() | ObjectDoesNotExist():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case UnreadablePostError():
            return exceptions.ParseError()
        case KeyConflict():
            return AnotherBody(error.differences)
        case NothingToRender():
            return Conflict(_("There is nothing to render."), "nothing_to_render")
        case RenderWithdrawn():
            return Conflict(_("The document was withdrawn."), "withdrawn")
        case DataUnknown():
            text = _("The document was made elsewhere: its data are not known here.")
            return Conflict(text, "data_unknown")
        case RenderSuperseded():
            return Conflict(_("Another document takes its place already."), "superseded")
        case InvalidSignatureRequest():
            return exceptions.ValidationError({error.field: [str(error)]})
        case ValidationError():
            return exceptions.ValidationError(serializers.as_serializer_error(error))
    return None


def _flat(detail: object, path: str = "") -> Iterator[Error]:
    """Yield the errors of a serializer, each with its field: ``recipients[0].email``."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, _below(path, name))
    elif isinstance(detail, list):
        for position, inner in enumerate(detail):
            is_nested = isinstance(inner, (Mapping, list))
            yield from _flat(inner, _below(path, position) if is_nested else path)
    else:
        yield one_error(path, getattr(detail, "code", None) or "invalid", str(detail))


def _below(path: str, name: object) -> str:
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)


def of_row(row: Mirror) -> Body | None:
    """Return what went wrong with a row, in the shape of an error; ``None`` where nothing did."""
    named = row.field_errors if isinstance(row.field_errors, Mapping) else {}
    if not (row.problem or named):
        return None
    errors = [
        one_error(_field(row, str(name)), _code(row, message), message_of(message))
        for name, messages in named.items()
        for message in (messages if isinstance(messages, list) else [messages])
    ]
    problem = Problem(row.error_code, row.error[:LONGEST])
    return shape(row.error_code, str(problem), errors)


def _code(row: Mirror, said: object) -> str:
    """Return the code of one error: what was found out here has one of its own."""
    code = said.get("code") if isinstance(said, Mapping) else None
    return code if isinstance(code, str) else row.error_code


def _field(row: Mirror, name: str) -> str:
    """Return the field of our request that Craftkit names."""
    if row.error_code == _INVALID_DATA:
        return f"data.{name}"
    return re.sub(r"[A-Za-z]+", lambda word: _OURS.get(word[0]) or _snake(word[0]), name)


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z])[A-Z]", lambda capital: f"_{capital[0]}", word).lower()
