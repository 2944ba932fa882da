"""The package's loggers: what they log is one line a message, whatever texts are in it.

Each record has ``FIELDS``, by which lines are found: numbers and names, and nothing about people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable  # noqa: TC003

#: Characters of one text in a message, unless it says otherwise.
LONGEST = 1_000
#: What each record has besides its message, and what it is where the line is about no row: the
#: alias of the project; the kind and the primary key of the row, or those that a job or a change
#: names; of a document its attempt, of a job or a webhook how often its step has begun.
FIELDS: dict[str, object] = {"project": "", "kind": "", "object": None, "attempt": None}


def one_line(text: str, limit: int = LONGEST) -> str:
    """Return text from outside as one line: no control characters, not endless."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def about(row: object, **more: object) -> dict[str, object]:
    """Return the fields of a line about a row: ``extra=about(row)``. Nothing is read for it.

    ``more`` are fields that the row doesn't tell.
    """
    # What is deferred is left out.
    held = vars(row)
    kind = held.get("kind") or getattr(row, "change_kind", "") or type(row).__name__.lower()
    return {
        "project": held.get("project", ""),
        "kind": str(kind),
        "object": held.get("object_id", held.get("id")),
        "attempt": held.get("attempt", held.get("attempts")),
        **more,
    }


def _is_row(arg: object) -> bool:
    return getattr(getattr(arg, "_meta", None), "app_label", "") == "craftkit"


def _fold(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    # A row that the message names is what the line is about.
    row = next(filter(_is_row, arguments), None)
    known = FIELDS if row is None else about(row)
    for name in FIELDS.keys() - vars(record).keys():
        setattr(record, name, known[name])
    # Keys, names and errors come from outside: a line break in one would forge a line. Of an error
    # that has others' words it is what it says of itself for logs.
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg if isinstance(arg, int | float) else one_line(str(getattr(arg, "in_log", arg)))
            for arg in record.args
        )
    return True


def get_logger(name: str) -> logging.Logger:
    """Return the logger of this name. A traceback follows its message as Python prints it."""
    logger = logging.getLogger(name)
    logger.addFilter(_fold)
    return logger


def rewrite(name: str, change: Callable[[str], str]) -> None:
    """Have the texts in the messages of a logger that is not the package's changed."""

    def changed(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(change(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True

    logging.getLogger(name).addFilter(changed)
