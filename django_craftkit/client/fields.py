"""Reading one JSON object of Craftkit's: each field is taken once, what is left is `extra`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django_craftkit.client.errors import InvalidResponse, is_link

T = TypeVar("T")

_LARGEST: Final = 2**63 - 1


class Fields:
    """The fields of one object. Names are Craftkit's.

    The methods without `maybe_` raise `InvalidResponse`, naming the field, if it is absent, null
    or of another type; those with it take absent and null for None.
    """

    def __init__(self, body: object, what: str) -> None:
        if not isinstance(body, Mapping):
            raise InvalidResponse(f"Craftkit's answer holds no {what}: it is no JSON object.")
        self._body = body
        self._what = what
        self._taken: set[str] = set()

    def text(self, name: str) -> str:
        return self._need(name, self.maybe_text(name))

    def maybe_text(self, name: str) -> str | None:
        value = self._take(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def url(self, name: str) -> str:
        """An address that may stand in a page, and in one line of a mail: http or https."""
        value = self.text(name)
        is_one = value.isprintable() and " " not in value
        if not (is_one and value.lower().startswith(("https://", "http://"))):
            raise self._wrong(name, "an http(s) address")
        return value

    def flag(self, name: str) -> bool:
        return self._need(name, self.maybe_flag(name))

    def maybe_flag(self, name: str) -> bool | None:
        value = self._take(name)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def uuid(self, name: str) -> UUID:
        return self._need(name, self.maybe_uuid(name))

    def maybe_uuid(self, name: str) -> UUID | None:
        value = self.maybe_text(name)
        try:
            return None if value is None else UUID(value)
        except ValueError:
            raise self._wrong(name, "a UUID") from None

    def moment(self, name: str) -> datetime:
        return self._need(name, self.maybe_moment(name))

    def maybe_moment(self, name: str) -> datetime | None:
        value = self.maybe_text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            # All of Craftkit's dates are UTC, so one without a zone is too.
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self._wrong(name, "an ISO 8601 date with a time") from None

    def number(self, name: str) -> int:
        return self._need(name, self.maybe_number(name))

    def maybe_number(self, name: str) -> int | None:
        """A whole number from 0 up; JavaScript's fractions are rounded."""
        value = self._take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number")
        if not 0 <= value <= _LARGEST:
            raise self._wrong(name, "a number of a sane size")
        return round(value)

    def count(self, name: str) -> int:
        return self._need(name, self.maybe_count(name))

    def maybe_count(self, name: str) -> int | None:
        """How many there are: as `maybe_number`, but half a thing is refused, not rounded."""
        value = self._body.get(name)
        if isinstance(value, float) and not value.is_integer():
            raise self._wrong(name, "a whole number")
        return self.maybe_number(name)

    def items(self, name: str) -> list[Any]:
        return self._need(name, self.maybe_items(name))

    def maybe_items(self, name: str) -> list[Any] | None:
        value = self._take(name)
        if value is not None and not isinstance(value, list | tuple):
            raise self._wrong(name, "a list")
        return None if value is None else list(value)

    def object(self, name: str) -> dict[str, Any]:
        return self._need(name, self.maybe_object(name))

    def maybe_object(self, name: str) -> dict[str, Any] | None:
        value = self._take(name)
        if value is not None and not isinstance(value, Mapping):
            raise self._wrong(name, "an object")
        return None if value is None else dict(value)

    def drop(self, *names: str) -> None:
        """Keep these out of `extra`, whatever they are."""
        self._taken.update(names)

    def extra(self) -> dict[str, Any]:
        """What nobody has taken, as it was sent, but for links that open a document."""
        return {
            name: value
            for name, value in self._body.items()
            if name not in self._taken and not is_link(str(name))
        }

    def _take(self, name: str) -> Any:
        self._taken.add(name)
        return self._body.get(name)

    def _need(self, name: str, value: T | None) -> T:
        if value is None:
            raise self._wrong(name, "there")
        return value

    def _wrong(self, name: str, wanted: str) -> InvalidResponse:
        return InvalidResponse(
            f"Craftkit's answer is not as agreed: '{name}' of the {self._what} is not {wanted}."
        )
