"""The kit for tests: a Craftkit in the process, and a worker that works when it is told to.

``pip install 'django-craftkit[testing]'`` brings the pytest fixture ``craftkit``; other runners
use ``Kit`` as a context manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kit import Kit

__all__ = ["Kit"]


def __getattr__(name: str) -> type[Kit]:
    # pytest loads the plugin beside this in every project, before there are settings.
    if name == "Kit":
        from .kit import Kit

        return Kit
    raise AttributeError(name)
