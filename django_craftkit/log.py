"""The package's loggers: what they log is one line a message, whatever texts are in it."""

from __future__ import annotations

import logging
from collections.abc import Callable  # noqa: TC003

#: Characters of one text in a message, unless it says otherwise.
LONGEST = 1_000


def one_line(text: str, limit: int = LONGEST) -> str:
    """Return text from outside as one line: no control characters, not endless."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _fold(record: logging.LogRecord) -> bool:
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
