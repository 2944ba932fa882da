"""Numbers of JSON that Python does not take."""

from __future__ import annotations


def whole(digits: str) -> int | str:
    """Return a whole number of a JSON text; its digits where there are more than Python takes.

    For ``parse_int=`` of ``json.loads``, so that one number spoils nothing else.
    """
    try:
        return int(digits)
    except ValueError:
        return digits
