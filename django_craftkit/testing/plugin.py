"""The pytest plugin. Loaded by every run of pytest, so nothing else is before it is used."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kit import Kit

if TYPE_CHECKING or find_spec("pytest_django"):

    @pytest.fixture
    def craftkit(db: None, settings: Any) -> Iterator[Kit]:
        """A Craftkit for this test alone: nothing leaves the process, nothing happens by itself."""
        from . import Kit

        # Through pytest-django's own: settings are given back in the order in which it took them.
        with Kit(settings) as kit:
            yield kit

else:

    @pytest.fixture
    def craftkit() -> None:
        """Say what is missing, instead of which fixture of pytest-django isn't there."""
        from . import refuse_missing

        refuse_missing("pytest_django")
