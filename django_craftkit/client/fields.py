"""Reading one JSON object of Craftkit's: each field is taken once, what is left is `extra`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypedDict, TypeVar
from uuid import UUID

from django_craftkit.client.errors import InvalidResponse, is_link, without_links
from django_craftkit.client.secret import Secret
from django_craftkit.untrusted import Json, JsonObject  # noqa: TC001

T = TypeVar("T")

_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Craftkit says of one thing."""

    extra: JsonObject = field(default_factory=dict, hash=False)
    """Fields that this version does not know, named as they were sent."""
    unreadable: JsonObject = field(default_factory=dict, hash=False, repr=False)
    """What can't be read, named as it was sent: of a list, the entries that were left out."""


class Rest(TypedDict):
    """The fields that each `Answer` has."""

    extra: JsonObject
    unreadable: JsonObject


class Fields:
    """The fields of one object. Names are Craftkit's.

    `text`, `uuid` and the others without `maybe_` read what nobody can go on without: if it is
    absent, null or can't be read, they raise `InvalidResponse`, which names the field. Those with
    `maybe_` return None then, and `unreadable` keeps what can't be read.
    """

    def __init__(self, body: object, what: str) -> None:
        if not isinstance(body, Mapping):
            raise InvalidResponse(f"Craftkit's answer holds no {what}: it is no JSON object.")
        self._body = body
        self._what = what
        self._taken: set[str] = set()
        self._odd: dict[str, object] = {}

    def text(self, name: str) -> str:
        return self._need(name, _text)

    def maybe_text(self, name: str) -> str | None:
        return self._maybe(name, _text)

    def url(self, name: str) -> str:
        """An address that may stand in a page, and in one line of a mail: http or https."""
        return self._need(name, _url)

    def maybe_url(self, name: str) -> str | None:
        """As `url`."""
        return self._maybe(name, _url)

    def secret(self, name: str) -> Secret:
        """A text that shows nowhere, and is not empty."""
        return self._need(name, _secret)

    def maybe_secret(self, name: str) -> Secret | None:
        """As `secret`."""
        return self._maybe(name, _secret)

    def maybe_flag(self, name: str) -> bool | None:
        return self._maybe(name, _flag)

    def uuid(self, name: str) -> UUID:
        return self._need(name, _uuid)

    def maybe_uuid(self, name: str) -> UUID | None:
        return self._maybe(name, _uuid)

    def maybe_moment(self, name: str) -> datetime | None:
        return self._maybe(name, _moment)

    def maybe_number(self, name: str) -> int | None:
        """A whole number from 0 up; JavaScript's fractions are rounded."""
        return self._maybe(name, _number)

    def maybe_count(self, name: str) -> int | None:
        """How many there are: as `maybe_number`, but half a thing can't be read."""
        return self._maybe(name, _count)

    def counts(self, name: str, known: Iterable[str]) -> dict[str, int]:
        """How many there are of each kind, those that are known first: 0 of what is not counted.

        A kind whose number can't be read is left out; without an object all of them are.
        """
        said = self.maybe_mapping(name)
        if said is None:
            return {}
        fields = Fields(said, name)
        counts = {kind: fields.maybe_count(kind) or 0 for kind in (*known, *said)}
        if fields._odd:
            self._odd[name] = fields._odd
        return {kind: count for kind, count in counts.items() if kind not in fields._odd}

    def maybe_items(self, name: str) -> list[Json] | None:
        return self._maybe(name, _items)

    def mapping(self, name: str) -> dict[str, Json]:
        return self._need(name, _object)

    def maybe_mapping(self, name: str) -> dict[str, Json] | None:
        return self._maybe(name, _object)

    def part(self, name: str, read: Callable[[object], T]) -> T:
        """What `read` makes of it; raises where it does."""
        return self._need(name, read)

    def maybe_part(self, name: str, read: Callable[[object], T]) -> T | None:
        """What `read` makes of it; all of it is left out if `read` raises `InvalidResponse`."""
        return self._maybe(name, read)

    def parts(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """What `read` makes of each entry of a list; raises where it does."""
        return tuple(map(read, self._need(name, _items)))

    def rows(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """As `parts`, but an entry for which `read` raises `InvalidResponse` is left out."""
        return self._rows(name, self._need(name, _items), read)

    def length(self, name: str) -> int:
        """Of a list, with the entries that can't be read."""
        return len(self._need(name, _items))

    def maybe_rows(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """As `rows`; no list is an empty one."""
        return self._rows(name, self.maybe_items(name) or [], read)

    def drop(self, *names: str) -> None:
        """Keep these out of `extra`, whatever they are."""
        self._taken.update(names)

    def extra(self) -> dict[str, Json]:
        """What nobody has taken, as it was sent, but for links that open a document."""
        return {
            name: value
            for name, value in self._body.items()
            if name not in self._taken and not is_link(str(name))
        }

    def unreadable(self) -> dict[str, Json]:
        """What was taken and can't be read, as it was sent: of a list or counts, those entries.

        Links that open a document are taken out of it; what may be one is None.
        """
        return {name: _without_links(name, value) for name, value in self._odd.items()}

    def rest(self) -> Rest:
        """`extra` and `unreadable`, for those of an `Answer`."""
        return {"extra": self.extra(), "unreadable": self.unreadable()}

    def _rows(self, name: str, items: list[Json], read: Callable[[object], T]) -> tuple[T, ...]:
        rows, odd = [], []
        for item in items:
            try:
                rows.append(read(item))
            except InvalidResponse:
                odd.append(item)
        if odd:
            self._odd[name] = odd
        return tuple(rows)

    def _take(self, name: str) -> object:
        self._taken.add(name)
        return self._body.get(name)

    def _need(self, name: str, read: Callable[[object], T]) -> T:
        value = self._take(name)
        if value is None:
            raise self._wrong(name, "there")
        try:
            return read(value)
        except _OddError as error:
            wanted = str(error)
        raise self._wrong(name, wanted)

    def _maybe(self, name: str, read: Callable[[object], T]) -> T | None:
        value = self._take(name)
        if value is None:
            return None
        try:
            return read(value)
        except (_OddError, InvalidResponse):
            self._odd[name] = value
            return None

    def _wrong(self, name: str, wanted: str) -> InvalidResponse:
        return InvalidResponse(
            f"Craftkit's answer is not as agreed: '{name}' of the {self._what} is not {wanted}."
        )


class Listed(list[T], Generic[T]):
    """What Craftkit lists, as far as it can be read.

    Nothing may be concluded from what is missing in it while something is `unreadable`.
    """

    unreadable: JsonObject
    """By the name of Craftkit's field, the entries that were left out, as they were sent."""
    extra: JsonObject
    """What else came with the list."""

    @classmethod
    def from_json(cls, body: object, name: str, read: Callable[[object], T]) -> Listed[T]:
        """The list in a field of an answer.

        Raises:
            InvalidResponse: there is none.
        """
        fields = Fields(body, "list")
        listed = cls(fields.rows(name, read))
        listed.unreadable, listed.extra = fields.unreadable(), fields.extra()
        return listed


class _OddError(ValueError):
    """A value that can't be read; its text says what would be one that can."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _OddError("a text")
    return value


def _secret(value: object) -> Secret:
    if not (text := _text(value).strip()):
        raise _OddError("a text")
    return Secret(text)


def _url(value: object) -> str:
    text = _text(value)
    is_one = text.isprintable() and " " not in text
    if not (is_one and text.lower().startswith(("https://", "http://"))):
        raise _OddError("an http(s) address")
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _OddError("true or false")
    return value


def _uuid(value: object) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise _OddError("a UUID") from None


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
        # All of Craftkit's dates are UTC, so one without a zone is too.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _OddError("an ISO 8601 date with a time") from None


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _OddError("a number")
    if not 0 <= value <= _LARGEST:
        raise _OddError("a number of a sane size")
    return round(value)


def _count(value: object) -> int:
    number = _number(value)
    if number != value:
        raise _OddError("a whole number")
    return number


def _items(value: object) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise _OddError("a list")
    return list(value)


def _object(value: object) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        raise _OddError("an object")
    return dict(value)


def _without_links(name: str, value: object) -> Json:
    # Any address: each that Craftkit has a field for opens something.
    if is_link(name) or name.lower().endswith("url"):
        return None
    try:
        return without_links(value)
    except ValueError:
        return None
