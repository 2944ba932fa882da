"""What OpenAPI says of every action: its parameters, and the one shape of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from .fields import ErrorSerializer
from .idempotency import HEADER

Method = TypeVar("Method", bound=Callable[..., Any])

_WAIT = OpenApiParameter(
    "wait",
    OpenApiTypes.FLOAT,
    description="Seconds to wait for Craftkit at most. Without it nothing is waited for.",
)
_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key and body of the same user get the same row; another body gets 422.",
)
_ERRORS = {
    400: "The request is not valid; `errors` says where.",
    401: "Nobody is logged in.",
    403: "A permission is missing.",
    404: "There is no such row.",
    406: "No such answer can be given.",
    409: "The row is not in a state for this.",
    413: "The body is too large.",
    415: "The body is no JSON by its content type.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests.",
    502: "The file can't be had at the moment.",
}


def described(
    summary: str,
    *,
    body: Any = None,
    answers: Any = None,
    status: int = 200,
    is_hidden_from_some: bool = False,
    waits: bool = False,
    has_key: bool = False,
    fails: tuple[int, ...] = (),
    **more: Any,
) -> Callable[[Method], Method]:
    """Describe an action: what it takes, what it answers with, and how else it may end.

    ``is_hidden_from_some`` says that whoever may do it and not see the row gets 204.
    """
    responses: dict[Any, Any] = {}
    if answers is OpenApiTypes.BINARY:
        responses[status, "application/pdf"] = answers
    elif answers is not None:
        responses[status] = answers
    if answers is None:
        responses[204] = OpenApiResponse(description="Done.")
    elif is_hidden_from_some:
        responses[204] = OpenApiResponse(description="Done; you may not see the row.")
    found = {400, 401, 403, 406, 429, *fails}
    found |= {413, 415} if body is not None or is_hidden_from_some else set()
    found |= {422} if has_key else set()
    for code in sorted(found):
        text = _ERRORS[code]
        responses[code, "application/json"] = OpenApiResponse(ErrorSerializer, description=text)
    parameters = [*([_WAIT] if waits else []), *([_KEY] if has_key else [])]
    extend = extend_schema(
        summary=summary, request=body, responses=responses, parameters=parameters, **more
    )

    def decorate(method: Method) -> Method:
        # Whatever the project's own schema class is.
        described: Any = method
        described.kwargs = {"schema": AutoSchema, **getattr(method, "kwargs", {})}
        extended: Method = extend(method)
        return extended

    return decorate
