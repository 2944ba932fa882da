"""What each resource needs of HTTP: the call, the error envelope, the JSON body.

The envelope is that of renders-templates.md, section 12; `/v1/embed/*` answers with the flat
one, as Craftkit does, so that a client meets both.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, Any, NoReturn

from werkzeug.wrappers import Request, Response

from .paths import readable, sent_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from wsgiref.types import WSGIEnvironment

    from .records import Project
    from .state import State


#: Lists and objects in one another that are read.
_DEEPEST = 200
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class ApiError(Exception):
    """An answer other than 2xx: status, stable `code`, a message for people, `issues`."""

    def __init__(
        self, status: int, code: str, message: str, issues: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.issues = issues

    def response(self, *, flat: bool = False) -> Response:
        """The error as a response; `flat` is the envelope of `/v1/embed/*`."""
        if flat:
            return json_response({"error": self.code}, self.status)
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.issues is not None:
            error["issues"] = self.issues
        return json_response({"error": error}, self.status)


@dataclass
class Issues:
    """What is wrong with an input, in the shape of Zod's `flatten()`; paths are dotted."""

    form: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, message: str) -> None:
        """Note `message` at `path`; an empty path is the body itself."""
        if path:
            self.fields.setdefault(path, []).append(message)
        else:
            self.form.append(message)

    def __bool__(self) -> bool:
        return bool(self.form or self.fields)

    def as_json(self) -> dict[str, Any]:
        """`{"formErrors": [...], "fieldErrors": {path: [...]}}`."""
        return {"formErrors": self.form, "fieldErrors": self.fields}

    def refuse(
        self,
        code: str = "invalid_request",
        message: str = "Request body did not match expected shape.",
    ) -> None:
        """Raise a 400 if anything was noted."""
        if self:
            raise ApiError(400, code, message, self.as_json())


class SandboxRequest(Request):
    """A request whose `path` keeps `%2F` and `%25` as they were sent.

    Attributes:
        route: the path in the spelling of `paths.sent_path`, to be matched.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        super().__init__(environ)
        self.route = sent_path(environ)
        self.path = readable(self.route)


@dataclass(frozen=True)
class Call:
    """One request on its way to the function of a resource."""

    request: Request
    state: State
    project_or_none: Project | None

    @property
    def project(self) -> Project:
        """The project of the key; only for routes that ask for one."""
        if self.project_or_none is None:
            raise AssertionError("this route has no key, and so no project")
        return self.project_or_none

    @property
    def source_ip(self) -> str:
        """The caller's address, as engagement events record it."""
        return self.request.remote_addr or "127.0.0.1"

    @property
    def user_agent(self) -> str:
        """The caller's `User-Agent`, as engagement events record it."""
        return self.request.user_agent.string

    def json(self) -> dict[str, Any]:
        """The body as an object; 400 `invalid_json`, or `invalid_request` for another shape."""
        body = parse_json(self.request.get_data())
        if not isinstance(body, dict):
            issues = Issues()
            issues.add("", f"Expected object, received {json_type(body)}")
            issues.refuse()
        return body  # type: ignore[no-any-return]


def parse_json(raw: bytes) -> Any:
    """Strict JSON (no NaN, no Infinity); whatever can't be read is 400 `invalid_json`."""
    try:
        # ValueError covers bad UTF-8, bad syntax and integers of more digits than Python converts.
        text = raw.decode("utf-8")
        # Python's parser would go down by recursion, to its limit.
        brackets = map(_STEPS.get, _STRINGS.sub("", text), repeat(0))
        if any(depth > _DEEPEST for depth in accumulate(brackets)):
            raise ValueError
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        raise ApiError(400, "invalid_json", "Request body is not valid JSON.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def json_type(value: object) -> str:
    """The name JavaScript has for a JSON value: what messages say was received."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response. ASCII only, so that no lone surrogate of an input can break it."""
    return Response(
        json.dumps(body, separators=(",", ":")),
        status,
        headers,
        content_type="application/json; charset=utf-8",
    )
