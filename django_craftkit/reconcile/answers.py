"""What Craftkit's answers say: what a row keeps of them, what is noted of a refusal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from django_craftkit.database import sanitized
from django_craftkit.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_craftkit.client import CraftkitError

#: Fields that a line of the log names at most.
MOST_FIELDS = 10
#: What a row keeps in its JSON of values that can't be read: under this name, as they were sent.
UNREADABLE_KEY = "unreadable"
#: Clocks may differ by so much: a replay is taken for another's if it was made this long before.
SKEW = timedelta(minutes=5)

logger = get_logger(__name__)


class Said(Protocol):
    """What the client reads an answer, or a part of one, into."""

    @property
    def extra(self) -> Mapping[str, Any]: ...
    @property
    def unreadable(self) -> Mapping[str, Any]: ...


def kept(said: Said, **more: Any) -> dict[str, Any]:
    """Return what a row keeps of an answer beside its columns: what is new, what can't be read."""
    answer = {**said.extra, **more}
    if said.unreadable:
        answer[UNREADABLE_KEY] = dict(said.unreadable)
    return dict(sanitized(answer))


def warn_of_unreadable(rows: str, project: str, said: Said) -> bool:
    """Whether entries of a list of Craftkit's were left out, which is logged."""
    left_out = said.unreadable.get(rows, [])
    if left_out:
        logger.warning(
            "%s of Craftkit's %s in project %r can't be read and are left out.",
            len(left_out) if isinstance(left_out, list) else "All",
            rows,
            project,
            extra={"project": project},
        )
    return bool(left_out)


def refusal(error: CraftkitError) -> dict[str, Any]:
    """Return what is noted of something that Craftkit refuses to take."""
    return {
        "error": sanitized(error.message),
        "error_code": error.code[:64],
        "field_errors": sanitized(getattr(error, "field_errors", {})),
    }


def why(row: Any) -> str:
    """Return what the log says of why something was refused: the code, and which fields.

    No words and no values: those may be about people, and the row's page has them.
    """
    fields = ", ".join(sorted(row.field_errors)[:MOST_FIELDS])
    return " ".join(filter(None, (row.error_code or "no code", fields and f"({fields})")))
