"""Which function answers which call.

Each resource has one file with its own `routes`; `service.py` puts them together. A function gets
the `Call` and the parts of the path, and runs under the sandbox's lock; work that takes long is
returned as a function, which runs after the lock is released.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from werkzeug.routing import Map, Rule
from werkzeug.routing.converters import UnicodeConverter
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

# Who may come in: `project` wants a project key, `embed` too but of a project that may embed,
# `session` a session token, `poll` and `builder` either of them; `open` is for everybody, `control`
# for who may use the sandbox's own control.
Door = Literal["project", "embed", "session", "poll", "builder", "open", "control"]
Handler = Callable[..., Response | Callable[[], Response]]


@dataclass(frozen=True)
class Route:
    """A method and a path, and what answers them.

    `statuses` are those of codes that have another one here than elsewhere.
    """

    method: str
    path: str
    door: Door
    handler: Handler
    statuses: Mapping[str, int] = field(default_factory=dict, hash=False)


class Routes(list[Route]):
    """The routes of one resource: `@routes("GET", "/v1/renders/<render_id>")`."""

    def __init__(self, door: Door = "project", statuses: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self._door: Door = door
        self._statuses = statuses or {}

    def __call__(
        self,
        method: str,
        path: str,
        door: Door | None = None,
        statuses: Mapping[str, int] | None = None,
    ) -> Callable[[Handler], Handler]:
        own = self._statuses if statuses is None else statuses

        def add(handler: Handler) -> Handler:
            self.append(Route(method, path, door or self._door, handler, own))
            return handler

        return add


class _Segment(UnicodeConverter):
    """One segment of a path of `paths.sent_path`, decoded: it may hold a slash."""

    def to_python(self, value: str) -> str:
        return unquote(value)


def url_map(resources: Iterable[Routes]) -> Map:
    """The map of all resources, for paths of `paths.sent_path`; an endpoint is its `Route`."""
    rules = [
        Rule(route.path, methods=[route.method], endpoint=route)
        for routes in resources
        for route in routes
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False, converters={"default": _Segment})
