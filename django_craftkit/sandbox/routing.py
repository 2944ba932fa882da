"""Which function answers which call.

Each resource has one file with its own `routes`; `app.py` puts them together. A function gets
the `Call` and the parts of the path, and runs under the sandbox's lock; work that takes long is
returned as a function, which runs after the lock is released.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from werkzeug.routing import Map, Rule
from werkzeug.routing.converters import UnicodeConverter
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Who may come in: `project` wants a project key, `embed` too but answers with the flat errors
# of /v1/embed/*, `open` is for everybody.
Door = Literal["project", "embed", "open"]
Handler = Callable[..., Response | Callable[[], Response]]


@dataclass(frozen=True)
class Route:
    """A method and a path, and what answers them."""

    method: str
    path: str
    door: Door
    handler: Handler


class Routes:
    """The routes of one resource: `@routes("GET", "/v1/renders/<render_id>")`."""

    def __init__(self, door: Door = "project") -> None:
        self._door: Door = door
        self._routes: list[Route] = []

    def __call__(
        self, method: str, path: str, door: Door | None = None
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self._routes.append(Route(method, path, door or self._door, handler))
            return handler

        return add

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)


class _Segment(UnicodeConverter):
    """One segment of a path of `paths.sent_path`, decoded: it may hold a slash."""

    def to_python(self, value: str) -> str:
        return unquote(value)


def url_map(resources: Iterable[Routes]) -> Map:
    """The map of all resources, for paths of `paths.sent_path`; an endpoint is its `Route`."""
    rules: list[Any] = [
        Rule(route.path, methods=[route.method], endpoint=route)
        for routes in resources
        for route in routes
    ]
    return Map(rules, strict_slashes=False, merge_slashes=False, converters={"default": _Segment})
