"""The kit for tests: a Craftkit in the process, and a worker that works when it is told to.

``pip install 'django-craftkit[testing]'`` brings the pytest fixture ``craftkit``, and
``CraftkitTestMixin`` for Django's test cases; ``Kit`` is a context manager for anything else.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cases import CraftkitTestMixin
    from .kit import Kit
    from .remote import (
        RemoteRecipient,
        RemoteRender,
        RemoteShare,
        RemoteSignatureRequest,
        SentEmail,
    )

__all__ = [
    "CraftkitTestMixin",
    "Kit",
    "RemoteRecipient",
    "RemoteRender",
    "RemoteShare",
    "RemoteSignatureRequest",
    "SentEmail",
]

_MODULES = {"CraftkitTestMixin": "cases", "Kit": "kit"}
#: What the extra brings, by the names that are imported.
_NEEDED = ("fontTools", "font_roboto", "fpdf", "werkzeug")


def __getattr__(name: str) -> Any:
    # pytest loads the plugin beside this in every project, before there are settings.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    refuse_missing(*_NEEDED)
    module = import_module(f"{__name__}.{_MODULES.get(name, 'remote')}")
    return getattr(module, name)


def refuse_missing(*names: str) -> None:
    """Raise ``ImportError`` where packages of the extra aren't installed."""
    # Asked for by name, so that an ImportError from inside of them isn't taken for this one.
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"The test kit needs {', '.join(missing)}: "
            "python -m pip install 'django-craftkit[testing]'"
        )
