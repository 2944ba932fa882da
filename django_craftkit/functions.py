"""Functions: what they are, where they are written, which are the same, which a template calls."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")


def alters_data(function: F) -> F:
    """Keep templates from calling a method, which ``{{ render.withdraw }}`` else would."""
    function.alters_data = True  # type: ignore[attr-defined]
    return function


def kind_of(given: object) -> str:
    """Return what an error calls something."""
    return "function" if isinstance(given, FunctionType) else type(given).__name__


def origin_of(function: Callable[..., object]) -> object:
    """Return the function under partials and decorators."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    return function if isinstance(function, FunctionType) else type(function).__call__


def run_of(origin: object) -> tuple[str, object, object]:
    """Return what tells one run of a module from the next: a reload keeps all but its spec."""
    names = getattr(origin, "__globals__", None)
    spec = None if names is None else names.get("__spec__")
    return str(getattr(origin, "__module__", "")), names, spec


def is_same(one: object, other: object) -> bool:
    """Whether two values are equal; functions are where a ``def``, or a lambda, was run twice."""
    if not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return one == other
    return (
        one.__code__ == other.__code__
        and one.__globals__ is other.__globals__
        and (one.__defaults__, one.__kwdefaults__) == (other.__defaults__, other.__kwdefaults__)
        and one.__closure__ == other.__closure__
    )
