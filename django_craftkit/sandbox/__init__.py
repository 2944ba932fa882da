"""A Craftkit of one's own: the REST service, its PDFs, pages and webhooks, on this machine.

Written from the contract alone, and sharing no code with the client: each checks the other's
reading. `Sandbox` is the service in one object, `SandboxServer` puts it on a socket,
`SandboxAdapter` puts it under a `requests.Session` without one.
"""

from __future__ import annotations

from importlib.util import find_spec

# Asked for by name, so that an ImportError from inside the sandbox isn't taken for this one.
_missing = [name for name in ("font_roboto", "fpdf", "werkzeug") if find_spec(name) is None]
if _missing:
    raise ImportError(
        f"The sandbox needs {', '.join(_missing)}: pip install 'django-craftkit[sandbox]'"
    )

from .adapter import SandboxAdapter  # noqa: E402
from .app import DEFAULT_ACCOUNT_KEY, DEFAULT_ADMIN_KEY, DEFAULT_KEY, Sandbox  # noqa: E402
from .core import faults as faults  # noqa: E402
from .core.emails import Mail  # noqa: E402
from .core.engagement import Event  # noqa: E402
from .core.faults import Fault, Faults  # noqa: E402
from .core.lifecycle import Polls  # noqa: E402
from .core.projects import Project  # noqa: E402
from .core.renders import Render  # noqa: E402
from .core.sessions import EmbedSession  # noqa: E402
from .core.shares import Share  # noqa: E402
from .core.signatures import Recipient, SignatureMail, SignatureRequest  # noqa: E402
from .core.state import LoggedRequest  # noqa: E402
from .core.templates import InboundHook, Template, Version  # noqa: E402
from .core.webhooks.deliveries import EVENTS, Attempt, Delivery, Subscription, sign  # noqa: E402
from .server import SandboxServer, serve  # noqa: E402

__all__ = [
    "DEFAULT_ACCOUNT_KEY",
    "DEFAULT_ADMIN_KEY",
    "DEFAULT_KEY",
    "EVENTS",
    "Attempt",
    "Delivery",
    "EmbedSession",
    "Event",
    "Fault",
    "Faults",
    "InboundHook",
    "LoggedRequest",
    "Mail",
    "Polls",
    "Project",
    "Recipient",
    "Render",
    "Sandbox",
    "SandboxAdapter",
    "SandboxServer",
    "Share",
    "SignatureMail",
    "SignatureRequest",
    "Subscription",
    "Template",
    "Version",
    "serve",
    "sign",
]
