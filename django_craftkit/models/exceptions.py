"""What requests, and what reads of their source, may raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .render import Render


class KeyConflict(ValueError):
    """The key already stands for something else.

    ``differences`` names what differs in a signature request or an e-mail:
    ``recipients[0].last_name``, say.
    """

    def __init__(self, message: str, *, differences: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.differences = tuple(differences)


class RenderWithdrawn(ValueError):
    """The document was withdrawn, or erased: it goes to nobody any more."""


class DataUnknown(ValueError):
    """The document was made elsewhere: what it was made of is not known here."""


class RenderSuperseded(ValueError):
    """Another document takes its place already."""


class RenderFailed(Exception):
    """The document ended without a PDF; ``render`` says why."""

    def __init__(self, render: Render) -> None:
        errors = [f"{path}: {' '.join(texts)}" for path, texts in render.errors.items()]
        said = "\n".join(filter(None, [str(render.problem), *errors]))
        why = f": {said}" if said else ""
        super().__init__(f"{render} is {render.status}{why}")
        self.render = render


class NothingToRender(RenderFailed):
    """There is no document: the function that makes its data returned ``None``."""


class WrongSchema(RuntimeError):
    """The object is another schema's than the connection's: it can't be read from here."""
