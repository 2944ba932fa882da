"""Secrets, and the door that no exception carries one through.

While a call is made its key stands in the locals of what requests, urllib3 and a project's adapter
run, and an error tracker sends the locals of every frame. Whatever is raised in there, a time
limit or an interrupt too, leaves without these frames, without what it was raised from, and
without the objects that hang on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import traceback
from types import GetSetDescriptorType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from django_craftkit.client.errors import CraftkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

T = TypeVar("T")

_PLAIN: Final = (bool, int, float, complex, type(None))
_DEEPEST: Final = 40


class Secret:
    """A text that does not show itself: not in a repr, not in `vars()`, not in a pickle.

    `reveal()` returns it. Two of the same text are equal; one of an empty text is false.
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]

    def __init__(self, value: str) -> None:
        self.reveal = lambda: value

    @classmethod
    def of(cls, value: object) -> Secret:
        """Return a secret of a text, without the white space around it; of what is none, `""`."""
        if isinstance(value, Secret):
            return value
        return cls(value.strip() if isinstance(value, str) else "")

    @property
    def fingerprint(self) -> str:
        """What tells it from others and nothing of itself: 16 hexadecimal digits of its hash."""
        value = self.reveal()
        return hashlib.sha256(value.encode()).hexdigest()[:16] if value else ""

    def __repr__(self) -> str:
        return "Secret(…)"

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled.")


class Door:
    """Runs what may hold secrets in its frames; what is raised keeps its type and its text."""

    def __init__(self, *secrets: Secret) -> None:
        self._secrets = secrets

    def __call__(self, act: Callable[[], T]) -> T:
        raised: BaseException
        try:
            return act()
        except BaseException as error:
            raised = error
        # Out here nothing is being handled: what goes wrong with it is not raised from it.
        self._strip(raised)
        try:
            raise raised
        finally:
            # Its traceback has this frame: without this the two would keep each other.
            del raised

    def redact(self, text: str) -> str:
        """A text without the secrets; the very same one where there are none in it."""
        for secret in self._secrets:
            if (value := secret.reveal()) and value in text:
                text = text.replace(value, "[key]")
        return text

    def redact_bytes(self, content: bytes) -> bytes:
        """As `redact`."""
        for secret in self._secrets:
            if (value := secret.reveal().encode()) and value in content:
                content = content.replace(value, b"[key]")
        return content

    def _strip(self, error: BaseException) -> None:
        """Take from an exception what leads to a secret."""
        put = object.__setattr__
        where = [] if isinstance(error, CraftkitError) else list(_places(error.__traceback__))
        # By hand throughout: a class of its own may forbid it, or answer with something else.
        put(error, "__traceback__", None)
        # If the caller is handling an exception of its own, `raise` sets it as the context.
        put(error, "__cause__", None)
        put(error, "__context__", None)
        put(error, "__suppress_context__", False)
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                self._strip(one)
        for name in _attributes(error):
            # Some are not set, and a group's members can't be: they have been looked at above.
            with contextlib.suppress(AttributeError, TypeError):
                value = object.__getattribute__(error, name)
                shown = self._shown(value, _DEEPEST)
                if shown is not value:
                    put(error, name, shown)
        if where:
            note = "\n".join(("Raised in a call to Craftkit, without its frames:", *where))
            put(error, "__notes__", [*vars(error).get("__notes__", ()), note])

    def _shown(self, value: Any, depth: int) -> object:
        """Return what may be shown of a value: itself where it is a plain one without secrets."""
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, bytes):
            return self.redact_bytes(value)
        if depth and type(value) in (list, tuple, set, frozenset):
            items = [self._shown(item, depth - 1) for item in value]
            same = all(one is other for one, other in zip(items, value, strict=True))
            return value if same else type(value)(items)
        if depth and type(value) is dict:
            pairs = [(self._shown(name, depth - 1), name) for name in value]
            shown = {name: self._shown(value[known], depth - 1) for name, known in pairs}
            same = all(name is known and shown[name] is value[known] for name, known in pairs)
            return value if same else shown
        # An object: a request, a connection, another exception.
        return f"<{type(value).__name__}>"


def _places(frames: TracebackType | None) -> Iterator[str]:
    for frame, line in traceback.walk_tb(frames):
        yield f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"


def _attributes(error: BaseException) -> Iterator[str]:
    """The names under which an exception may keep something: its own, and those of its class."""
    yield from list(vars(error))
    for kind in type(error).__mro__:
        for name, attribute in vars(kind).items():
            if isinstance(attribute, GetSetDescriptorType | MemberDescriptorType) and not (
                name.startswith("__") and name.endswith("__")
            ):
                yield name
