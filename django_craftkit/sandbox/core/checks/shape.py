"""Checks of request bodies, field by field, with the messages that Zod would give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django_craftkit.sandbox.core.errors import Issues
from django_craftkit.sandbox.core.moments import parse_moment

from .urls import is_web_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Zod's own pattern: stricter than the RFC, and without a limit of its own.
_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+", re.ASCII)


def is_email(text: str) -> bool:
    """Whether Craftkit would take `text` for an e-mail address.

    The documentation says "valid email" and no more; its errors are those of Zod.
    """
    return _EMAIL.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID of any version."""
    return _UUID.fullmatch(text) is not None


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
        case list() | tuple():
            return "array"
    return "object"


class Shape:
    """Reads fields of one JSON object and notes what is wrong with them.

    Each method returns the value, or None if it is absent or wrong; an absent required field
    is an issue, and so is null (Zod's `optional` is not `nullable`).
    """

    def __init__(
        self, body: Mapping[str, object], issues: Issues | None = None, at: str = ""
    ) -> None:
        self.body = body
        self.issues = Issues() if issues is None else issues
        self.at = at

    def path(self, name: str) -> str:
        """The dotted path of a field, from the top of the body."""
        return f"{self.at}.{name}" if self.at else name

    def refuse(self) -> None:
        """Raise `Refusal` if anything was noted."""
        self.issues.refuse()

    def wrong(self, name: str, message: str) -> None:
        """Note an issue with a field."""
        self.issues.add(self.path(name), message)

    def _typed(self, name: str, kind: str, required: bool) -> Any:
        if name not in self.body:
            if required:
                self.wrong(name, "Required")
            return None
        value = self.body[name]
        if json_type(value) != kind:
            self.wrong(name, f"Expected {kind}, received {json_type(value)}")
            return None
        return value

    def string(
        self, name: str, *, required: bool = False, least: int = 0, most: int | None = None
    ) -> str | None:
        """A string of `least` to `most` characters."""
        value: str | None = self._typed(name, "string", required)
        if value is None:
            return None
        if len(value) < least:
            self.wrong(name, f"String must contain at least {least} character(s)")
            return None
        if most is not None and len(value) > most:
            self.wrong(name, f"String must contain at most {most} character(s)")
            return None
        return value

    def uuid(self, name: str, *, required: bool = False) -> str | None:
        """A UUID, in small letters."""
        value = self.string(name, required=required)
        if value is not None and not is_uuid(value):
            self.wrong(name, "Invalid uuid")
            return None
        return None if value is None else value.lower()

    def email(self, name: str, *, required: bool = False, most: int | None = None) -> str | None:
        """An e-mail address."""
        value = self.string(name, required=required, most=most)
        if value is not None and not is_email(value):
            self.wrong(name, "Invalid email")
            return None
        return value

    def url(self, name: str, *, required: bool = False) -> str | None:
        """An absolute http(s) URL."""
        value = self.string(name, required=required)
        if value is not None and not is_web_url(value):
            self.wrong(name, "Invalid url")
            return None
        return value

    def moment(self, name: str) -> float | None:
        """A date-time with a zone, as seconds since 1970."""
        value = self.string(name)
        moment = None if value is None else parse_moment(value)
        if value is not None and moment is None:
            self.wrong(name, "Invalid datetime")
        return moment

    def choice(self, name: str, choices: Sequence[str], *, required: bool = False) -> str | None:
        """One of a few strings."""
        value = self.string(name, required=required)
        if value is not None and value not in choices:
            wanted = " | ".join(f"'{choice}'" for choice in choices)
            self.wrong(name, f"Invalid enum value. Expected {wanted}, received '{value}'")
            return None
        return value

    def choices(self, name: str, choices: Sequence[str]) -> list[str] | None:
        """An array of some of a few strings."""
        value: list[str] | None = self._typed(name, "array", required=False)
        for index, item in enumerate(value or []):
            if item not in choices:
                self.wrong(f"{name}.{index}", "Invalid enum value")
        return value

    def origins(self, name: str) -> list[str] | None:
        """An array of origins, as browsers send them: `https://shop.example.com`."""
        value: list[str] | None = self._typed(name, "array", required=False)
        for index, item in enumerate(value or []):
            if not isinstance(item, str) or not _ORIGIN.fullmatch(item):
                self.wrong(f"{name}.{index}", "Invalid origin")
        return value

    def boolean(self, name: str, *, required: bool = False) -> bool | None:
        """`true` or `false`."""
        value: bool | None = self._typed(name, "boolean", required)
        return value

    def integer(
        self, name: str, *, required: bool = False, least: int | None = 1, most: int | None = None
    ) -> int | None:
        """A whole number from `least` to `most`; `3.0` is one, as in JavaScript."""
        value: float | None = self._typed(name, "number", required)
        if value is None:
            return None
        if value != value // 1:
            self.wrong(name, "Expected integer, received float")
            return None
        if least is not None and value < least:
            self.wrong(name, f"Number must be greater than or equal to {least}")
            return None
        if most is not None and value > most:
            self.wrong(name, f"Number must be less than or equal to {most}")
            return None
        return int(value)

    def number(
        self, name: str, *, required: bool = False, most: float, above_zero: bool = False
    ) -> float | None:
        """A number from 0 to `most`; 0 itself is none if it has to be above."""
        value: float | None = self._typed(name, "number", required)
        if value is None:
            return None
        if not value >= 0 or (above_zero and value == 0):  # NaN is not even below
            self.wrong(name, f"Number must be greater than {'' if above_zero else 'or equal to '}0")
            return None
        if value > most:
            self.wrong(name, f"Number must be less than or equal to {most:g}")
            return None
        return value

    def object(self, name: str, *, required: bool = False) -> dict[str, object] | None:
        """A JSON object."""
        value: dict[str, object] | None = self._typed(name, "object", required)
        return value

    def objects(
        self, name: str, *, required: bool = False, least: int = 0, most: int | None = None
    ) -> list[Shape]:
        """An array of `least` to `most` objects, each as a shape of its own."""
        value: list[object] | None = self._typed(name, "array", required)
        if value is None:
            return []
        if len(value) < least:
            self.wrong(name, f"Array must contain at least {least} element(s)")
        if most is not None and len(value) > most:
            self.wrong(name, f"Array must contain at most {most} element(s)")
            return []
        shapes = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                shapes.append(Shape(item, self.issues, self.path(f"{name}.{index}")))
            else:
                self.wrong(f"{name}.{index}", f"Expected object, received {json_type(item)}")
        return shapes
