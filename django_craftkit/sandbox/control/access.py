"""Who may use the sandbox's own control, which has no key.

It answers this machine alone, unless the sandbox was made with `remote_control=True`; and a page
from elsewhere that a browser shows can't use it.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django_craftkit.sandbox.core.errors import Refusal

if TYPE_CHECKING:
    from django_craftkit.sandbox.http.call import Call

PREFIX: Final = "/_sandbox"


def admit(call: Call) -> None:
    """Raise `Refusal`, `forbidden`, for who has no business here."""
    try:
        near = ipaddress.ip_address(call.caller.source_ip).is_loopback
    except ValueError:
        near = False
    if not near and not call.state.remote_control:
        raise Refusal("forbidden", "The sandbox's desk answers this machine only.")
    # A browser names the page that a request comes from; any other page has no business here. A
    # link may lead to the desk, from wherever it stands.
    origin, site = (call.request.headers.get(name) for name in ("Origin", "Sec-Fetch-Site"))
    is_foreign = origin is not None and urlsplit(origin).netloc != call.request.host
    is_told = call.request.method not in ("GET", "HEAD")
    if is_foreign or (is_told and site not in (None, "same-origin", "none")):
        raise Refusal("forbidden", "Not from another site.")
