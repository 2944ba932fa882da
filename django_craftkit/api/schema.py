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
_ERROR = OpenApiResponse(ErrorSerializer, description="What is wrong.")


def described(
    summary: str,
    *,
    body: Any = None,
    answers: Any = None,
    status: int = 200,
    is_hidden_from_some: bool = False,
    waits: bool = False,
    has_key: bool = False,
) -> Callable[[Method], Method]:
    """Describe an action: what it takes, and what it answers with.

    ``is_hidden_from_some`` says that whoever may do it and not see the row gets 204.
    """
    responses: dict[Any, Any] = {}
    if answers is OpenApiTypes.BINARY:
        responses[status, "application/pdf"] = answers
        responses["5XX", "application/json"] = _ERROR
    elif answers is not None:
        responses[status] = answers
    if answers is None:
        responses[204] = OpenApiResponse(description="Done.")
    elif is_hidden_from_some:
        responses[204] = OpenApiResponse(description="Done; you may not see the row.")
    responses["4XX", "application/json"] = _ERROR
    parameters = [*([_WAIT] if waits else []), *([_KEY] if has_key else [])]
    extend = extend_schema(
        summary=summary, request=body, responses=responses, parameters=parameters
    )

    def decorate(method: Method) -> Method:
        # Whatever the project's own schema class is.
        described: Any = method
        described.kwargs = {"schema": AutoSchema, **getattr(method, "kwargs", {})}
        extended: Method = extend(method)
        return extended

    return decorate
