"""What is wrong with data: where, a code to branch on, and words for whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from django_craftkit.database import sanitized

if TYPE_CHECKING:
    from collections.abc import Iterable

Level: TypeAlias = Literal["error", "warning"]
#: Keys of objects and places in lists, from the whole data to a value.
Steps: TypeAlias = "tuple[str | int, ...]"

MOST_FINDINGS: Final = 100
"""So many are told, and how many more there are."""
#: Characters of a key that are shown; a manifest's are shorter.
_LONGEST_KEY: Final = 200


class FindingCode(TextChoices):
    """What is wrong with a value. Values never change, texts may."""

    # Against a manifest.
    REQUIRED = "required", _("The template requires a value here, and there is none.")
    NOT_A_TEXT = "not_a_text", _("The template takes a text here, and this is %(detail)s.")
    NOT_A_NUMBER = (
        "not_a_number",
        _("The template takes a number here, or its digits as in 1234.50; this is %(detail)s."),
    )
    NOT_FINITE = "not_finite", _("This number is infinite, not a number, or too large to be sent.")
    NOT_A_DATE = (
        "not_a_date",
        _(
            "The template takes a date or time in ISO 8601 here, as in 2026-06-05 or "
            "2026-06-05T10:00:00Z; this is %(detail)s."
        ),
    )
    NOT_A_BOOLEAN = (
        "not_a_boolean",
        _("The template takes true or false here, and this is %(detail)s."),
    )
    NOT_A_URL = (
        "not_a_url",
        _("The template takes an address with http:// or https:// here; this is %(detail)s."),
    )
    DATA_URI = (
        "data_uri",
        _(
            "This is a picture written out as data:, and the template takes an address with "
            "http:// or https://. Send the address of the file, or make the field of the template "
            "a text."
        ),
    )
    NOT_AN_EMAIL = (
        "not_an_email",
        _("The template takes one e-mail address without a name here; this is %(detail)s."),
    )
    NOT_A_LIST = "not_a_list", _("The template takes a list here, and this is %(detail)s.")
    NOT_AN_OBJECT = (
        "not_an_object",
        _("The template takes an object with keys here, and this is %(detail)s."),
    )
    TOO_MANY_ITEMS = "too_many_items", _("Craftkit takes at most 10,000 items in a list.")
    DOTTED_LOOP = (
        "dotted_loop",
        _(
            "Craftkit empties this list without a word: the template knows it by the key "
            '"%(detail)s", with its dots. Send it under this one key, not as an object in an '
            "object."
        ),
    )
    # What Craftkit drops without a word.
    UNKNOWN_KEY = "unknown_key", _("The template has no such key, and Craftkit drops it.")
    MISSPELT_KEY = (
        "misspelt_key",
        _('The template has no such key, and Craftkit drops it. Is it "%(detail)s"?'),
    )
    DOTTED_KEY = (
        "dotted_key",
        _(
            "Craftkit drops this key: in data, a dot of the template's key is an object in an "
            "object. Send %(detail)s."
        ),
    )
    # What may print as something else.
    DIGITS_LOST = (
        "digits_lost",
        _(
            "This number has more digits than Craftkit keeps (about 15). Make the field of the "
            "template a text to print them all."
        ),
    )
    OTHER_DAY_IN_UTC = (
        "other_day_in_utc",
        _("In UTC this moment is on another day, which may be printed. Send a date alone."),
    )
    # What JSON has no form of.
    NOT_DATA = (
        "not_data",
        _(
            "An object of the type %(detail)s can't be sent. Send its values: texts, numbers, "
            "dates."
        ),
    )
    MODEL = (
        "model",
        _(
            "An object of the model %(detail)s can't be sent. Send its values, of many objects by "
            "queryset.values(…)."
        ),
    )
    UNORDERED = (
        "unordered",
        _("A %(detail)s has no order, and its items would be printed in any. Send sorted(…)."),
    )
    BYTES = "bytes", _("Bytes can't be sent. Send text, or the address of a file.")
    KEY_TYPE = "key_type", _("A key of an object is of the type %(detail)s. Write a str.")
    FILE_WITHOUT_URL = (
        "file_without_url",
        _(
            "Craftkit can't fetch this file: its storage gives it no address with http:// or "
            "https://. Use a storage that does, set MEDIA_URL to one, or send "
            "request.build_absolute_uri(file.url)."
        ),
    )
    NO_CHARACTER = (
        "no_character",
        _("This text holds a character that is none: NUL, or half a surrogate pair."),
    )
    OUT_OF_TIME = (
        "out_of_time",
        _("In this site's time zone, this moment is before or after all time."),
    )
    CYCLE = "cycle", _("These data contain themselves.")
    TOO_DEEP = (
        "too_deep",
        _("The data hold more than %(detail)s lists and objects in one another."),
    )
    MORE = "more", _("And %(detail)s more.")


#: What a value is, where another was expected.
_DETAILS: Final[dict[str, Any]] = {
    "null": _("null: leave the key out where there is no value"),
    "boolean": _("true or false"),
    "number": _("a number"),
    "text": _("a text"),
    "other": _("another text"),
    "empty": _("an empty text: leave the key out where there is no value"),
    "list": _("a list"),
    "object": _("an object"),
}
#: Whose detail is such a word, and no name.
_KINDS: Final = frozenset(code for code in FindingCode if code.startswith(("not_a_", "not_an_")))
#: What Craftkit drops: refused where the caller is strict.
DROPPED: Final = frozenset(
    (FindingCode.UNKNOWN_KEY, FindingCode.MISSPELT_KEY, FindingCode.DOTTED_KEY)
)
_WARNINGS: Final = DROPPED | {FindingCode.DIGITS_LOST, FindingCode.OTHER_DAY_IN_UTC}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with data; ``str()`` words it in the reader's language."""

    #: As in Craftkit's own issues: ``areas.0.condition``; "": the data as a whole.
    path: str
    #: One of ``FindingCode``.
    code: str
    #: What is in the code's text: the name of a key or type, or what kind of value it is. Never
    #: the value.
    detail: str = ""
    #: ``"error"``, or ``"warning"``: Craftkit takes it, and prints it otherwise than meant.
    level: Level = "error"
    #: As Python writes it: ``areas[0].condition``.
    where: str = ""

    @property
    def message(self) -> str:
        """What is wrong, in the active language, without where."""
        detail = self.detail
        if self.code in _KINDS:
            detail = str(_DETAILS.get(detail, detail))
        return str(FindingCode(self.code).label) % {"detail": detail}

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


def errors_in(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """Return the errors' texts by path, as Craftkit's ``fieldErrors`` are."""
    return worded(codes_of(findings))


def codes_of(findings: Iterable[Finding]) -> dict[str, list[dict[str, str]]]:
    """Return the errors by path as they are stored: codes, which nobody's language is in."""
    codes: dict[str, list[dict[str, str]]] = {}
    for one in findings:
        if one.level == "error":
            codes.setdefault(one.path, []).append({"code": one.code, "detail": one.detail})
    return codes


def worded(field_errors: object) -> dict[str, list[str]]:
    """Return stored errors as texts by path: our codes in the active language, others as said."""
    if not isinstance(field_errors, Mapping):
        return {}
    return {
        str(path): [message_of(one) for one in (said if isinstance(said, list) else [said])]
        for path, said in field_errors.items()
    }


def message_of(said: object) -> str:
    """Return one stored error as a text."""
    code = said.get("code") if isinstance(said, Mapping) else None
    if isinstance(said, Mapping) and code in FindingCode.values:
        return Finding("", str(code), str(said.get("detail", ""))).message
    return str(said)


def kind_of(value: object) -> str:
    """Return what a JSON value is, for the detail of a finding."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
    return "object"


class Findings:
    """Collects what is wrong: ``MOST_FINDINGS`` of it, and counts the rest."""

    def __init__(self, *, strict: bool = False) -> None:
        self._warnings = _WARNINGS - DROPPED if strict else _WARNINGS
        self._found: dict[Level, list[Finding]] = {"error": [], "warning": []}
        self._count: dict[Level, int] = {"error": 0, "warning": 0}

    def add(self, steps: Steps, code: FindingCode, detail: object = "") -> None:
        level: Level = "warning" if code in self._warnings else "error"
        self._count[level] += 1
        if len(found := self._found[level]) < MOST_FINDINGS:
            path, where = _worded(steps)
            found.append(Finding(path, code.value, str(detail), level, where))

    def has_room(self, code: FindingCode) -> bool:
        """Whether one more would be told: else nothing has to be found out about it."""
        return len(self._found["warning" if code in self._warnings else "error"]) < MOST_FINDINGS

    def all(self) -> list[Finding]:
        """Return the errors, then the warnings, and last how many more there are."""
        found = [*self._found["error"], *self._found["warning"]][:MOST_FINDINGS]
        more = sum(self._count.values()) - len(found)
        if more:
            is_error = self._count["error"] > MOST_FINDINGS
            level: Level = "error" if is_error else "warning"
            found.append(Finding("", FindingCode.MORE.value, str(more), level))
        return found


def _worded(steps: Steps) -> tuple[str, str]:
    path: list[str] = []
    where = ""
    for step in steps:
        if isinstance(step, int):
            path.append(str(step))
            where += f"[{step}]"
            continue
        key = str(sanitized(step))
        if len(key) > _LONGEST_KEY:
            key = f"{key[:_LONGEST_KEY]}…"
        path.append(key)
        if key.isidentifier():
            where += f".{key}" if where else key
        else:
            where += f"[{key!r}]"
    return ".".join(path), where
