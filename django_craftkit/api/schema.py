"""What OpenAPI says of every action: its parameters, what it answers, and the one shape of errors.

What it answers is read from the view, so that a subclass is described as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from .fields import ErrorSerializer
from .idempotency import HEADER

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer

Method = TypeVar("Method", bound=Callable[..., Any])

#: Stands for the view's own serializer.
_ROW = object()
_WAIT = OpenApiParameter(
    "wait",
    OpenApiTypes.FLOAT,
    description="Seconds to wait for Craftkit at most. Without it, the answer comes at once.",
)
_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same user, key and body get the same row again; another body gets 422.",
)
_ERROR = OpenApiResponse(ErrorSerializer, description="What is wrong.")


class CraftkitSchema(AutoSchema):
    """Describes the actions that the view's ``permissions`` name, by the view's own serializers."""

    view: Any  # a CraftkitViewSet

    def is_excluded(self) -> bool:
        return self.view.action not in self.view.permissions

    def get_summary(self) -> str | None:
        one, many = self.view.nouns
        summary: str | None = {"list": f"List {many}", "retrieve": f"Read {one}"}.get(
            self.view.action, super().get_summary()
        )
        return summary

    def get_response_serializers(self) -> Any:
        answers = getattr(getattr(self.view, self.view.action), "answers", None)
        if answers is None:
            return super().get_response_serializers()  # an action of the project's own
        serializer = self.view.get_serializer_class()
        shown = serializer(many=True) if self.view.action == "list" else serializer
        return {code: shown if answer is _ROW else answer for code, answer in answers.items()}


def described(
    summary: str | None = None,
    *,
    body: type[Serializer[Any]] | None = None,
    answers: Literal["row", "file", "nothing"] = "row",
    acts: bool = False,
    makes: bool = False,
    waits: bool = True,
) -> Callable[[Method], Method]:
    """Describe an action: what it takes, and what it answers with.

    A row, or a list of rows, is shown by the serializer that the view has for the action.
    ``acts``: it changes the row, the answer can wait for that, and a user who may do it, but not
    view the row, gets 204. ``makes``: the same, and the row is new. ``waits=False``: it can't wait.
    """
    responses: dict[object, object] = {}
    if answers == "file":
        responses[200, "application/pdf"] = OpenApiTypes.BINARY
        responses["5XX", "application/json"] = _ERROR
    elif answers == "row":
        responses[201 if makes else 200] = _ROW
    if answers == "nothing":
        responses[204] = OpenApiResponse(description="Done.")
    elif acts or makes:
        responses[204] = OpenApiResponse(description="Done, but you may not view the row.")
    responses["4XX", "application/json"] = _ERROR
    parameters = [*([_WAIT] if waits and (acts or makes) else []), *([_KEY] if makes else [])]
    extend = extend_schema(summary=summary, request=body, parameters=parameters)

    def decorate(method: Method) -> Method:
        marked: Any = method
        marked.answers = responses
        # Whatever the project's own schema class is.
        marked.kwargs = {"schema": CraftkitSchema, **getattr(method, "kwargs", {})}
        extended: Method = extend(method)
        return extended

    return decorate
