"""The site of the tests, which notes the twins that its views await."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.core.asgi import get_asgi_application

application = get_asgi_application()

# Models can be imported from here on.
from tests.asgi.twins import TWINS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: Those that were awaited and have returned.
awaited: set[str] = set()


def _noted(
    name: str, twin: Callable[..., Coroutine[Any, Any, Any]]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(twin)
    async def run(*args: Any, **kwargs: Any) -> Any:
        result = await twin(*args, **kwargs)
        awaited.add(name)
        return result

    return run


for _name, (_owner, _attribute) in TWINS.items():
    setattr(_owner, _attribute, _noted(_name, getattr(_owner, _attribute)))
