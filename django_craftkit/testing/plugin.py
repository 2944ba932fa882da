"""The pytest plugin. Loaded by every run of pytest, so nothing else is before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kit import Kit


@pytest.fixture
def craftkit(db: None, settings: Any) -> Iterator[Kit]:
    """A Craftkit for this test alone: nothing leaves the process, nothing happens by itself."""
    from .kit import Kit

    # Through pytest-django's own: settings are given back in the order in which it took them.
    with Kit(settings) as kit:
        yield kit
