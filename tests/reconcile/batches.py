"""Many rows of a resource at a time, as the tests of batches have them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tests.reconcile.resources import DOCUMENT, SIGNATURE
from tests.seams import together

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest

    from django_craftkit.models import Render
    from django_craftkit.testing import Kit
    from tests.reconcile.resources import Resource


class Batch:
    """Many rows of a resource, and a worker that has them under way at the same time."""

    def __init__(
        self,
        craftkit: Kit,
        monkeypatch: pytest.MonkeyPatch,
        documents: Callable[[int], list[Render]],
        work: Callable[..., int],
    ) -> None:
        self.craftkit = craftkit
        self._monkeypatch, self._documents, self._work = monkeypatch, documents, work

    def documents(self, resource: Resource, number: int) -> list[Any]:
        """Make documents that are ready; none where they are what is requested."""
        return [None] * number if resource is DOCUMENT else self._documents(number)

    def request(self, resource: Resource, number: int, *, apart: bool = True) -> list[Any]:
        """Request so many, each of a document of its own; or links and e-mails of one."""
        if apart or resource is SIGNATURE:
            renders = self.documents(resource, number)
        else:
            renders = self.documents(resource, 1) * number
        return [resource.named(one, f"{nth} of {number}") for nth, one in enumerate(renders)]

    def together(
        self, number: int, method: str = "POST", act: Callable[[], object] | None = None
    ) -> AbstractContextManager[None]:
        """So many calls of a method are answered at the same time, after ``act``."""
        return together(self._monkeypatch, number, method, act) if number else nullcontext()

    def work(self, number: int, method: str = "POST") -> None:
        with self.together(number, method):
            self._work()
