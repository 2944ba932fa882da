"""The ``a…`` twins: the package's methods, for async code.

As Django's own do, a twin runs its method in the thread that the request, or the running loop, has
for synchronous code: there are its database connections and their transactions. What is active in
the caller's context is active in the method: the language, the time zone, a tenant.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = ParamSpec("P")
R = TypeVar("R")


def in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Make a function what async code awaits.

    For a twin whose result is another one than its method's, and for that of a property.
    """

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return await sync_to_async(function)(*args, **kwargs)

    return run


def async_twin(function: Callable[P, R], *, name: str = "") -> Callable[P, Coroutine[Any, Any, R]]:
    """Return the twin of a method, or of a function: with its arguments, result and docstring.

    It is assigned below the function to ``a`` and that one's name, or to ``name``.
    """
    original = function.__name__
    room = function.__qualname__.removesuffix(original)
    is_method = bool(room) and not room.endswith("<locals>.")

    @wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not is_method:
            return await sync_to_async(function)(*args, **kwargs)
        # By its name: a subclass may have one of its own.
        bound: Callable[..., R] = getattr(args[0], original)
        return await sync_to_async(bound)(*args[1:], **kwargs)

    run.__name__ = name or f"a{original}"
    run.__qualname__ = f"{room}{run.__name__}"
    run.__doc__ = f"Async version of ``{original}``.\n\n{function.__doc__ or ''}"
    return run
