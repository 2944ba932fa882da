"""The call that a route answers, and its JSON body."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, NoReturn

from werkzeug.wrappers import Request

from django_craftkit.sandbox.core.checks.shape import json_type
from django_craftkit.sandbox.core.engagement import Caller
from django_craftkit.sandbox.core.errors import Issues, Refusal

from .paths import readable, sent_path

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from django_craftkit.sandbox.core.projects import Project
    from django_craftkit.sandbox.core.sessions import EmbedSession
    from django_craftkit.sandbox.core.state import State


#: Lists and objects in one another that are read.
_DEEPEST = 200
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


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
    session_or_none: EmbedSession | None = None

    @property
    def project(self) -> Project:
        """The project of the key; only for routes that ask for one."""
        if self.project_or_none is None:
            raise AssertionError("this route has no key, and so no project")
        return self.project_or_none

    @property
    def session(self) -> EmbedSession:
        """The session of the token; only for routes that ask for one."""
        if self.session_or_none is None:
            raise AssertionError("this route has no session token")
        return self.session_or_none

    @property
    def caller(self) -> Caller:
        """Where it comes from."""
        return Caller(self.request.remote_addr or "127.0.0.1", self.request.user_agent.string)

    def json(self) -> dict[str, object]:
        """The body as an object; 400 `invalid_json`, or `invalid_request` for another shape."""
        body = parse_json(self.request.get_data())
        if isinstance(body, dict):
            return body
        issues = Issues()
        issues.add("", f"Expected object, received {json_type(body)}")
        issues.refuse()
        raise AssertionError("an issue was noted")


def parse_json(raw: bytes) -> object:
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
        raise Refusal("invalid_json", "Request body is not valid JSON.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
