"""What a task does, whoever carries its messages: ``tasks.py`` and ``background.py`` are thin."""

from __future__ import annotations

from contextlib import nullcontext

from django_craftkit.models.claims import Watermarks

from . import retention
from .exclusion import Exclusion
from .loop import Loop
from .pool import Pool
from .pulse import Pulse

#: Seconds that one task runs at most, before it hands over to the next.
SECONDS = 20.0
#: What all tasks of this process share: a pool of threads runs several at once.
_exclusion = Exclusion()
_pool = Pool()
_pulse = Pulse()
_watermarks = Watermarks()


def advance(*, is_inline: bool) -> int:
    """Carry out what is due; ``is_inline``: in whoever sent the message, which is no worker."""
    return _loop(is_inline).run(SECONDS)


def sweep(*, is_inline: bool) -> int:
    """Carry out what is due, and look for what no message told of."""
    return _loop(is_inline).sweep(SECONDS)


def prune(*, is_inline: bool) -> int:
    """Drop what settings say is not kept any longer; return how much that was."""
    with nullcontext() if is_inline else _pulse.beat():
        return sum(number for _name, number in retention.prune())


def _loop(is_inline: bool) -> Loop:
    # In its caller, whose transaction no thread sees.
    if is_inline:
        return Loop(threads=1)
    return Loop(exclusion=_exclusion, pool=_pool, pulse=_pulse, watermarks=_watermarks)
