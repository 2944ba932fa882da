"""Every endpoint of Craftkit has a method here, and every method is in the table of the docs."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter

from django_craftkit.client import (
    Actor,
    Catalog,
    Craftkit,
    CraftkitAccount,
    CraftkitAdmin,
    CraftkitHook,
    CraftkitSession,
    NotFound,
    Tenant,
)
from django_craftkit.client.transport import Resource
from tests.docs import pages
from tests.endpoints import ENDPOINTS, VARIANTS, Endpoint

from .conftest import KEY
from .embed.helpers import RENEW_TOKEN
from .signatures.helpers import JANE, SIGN_HERE

if TYPE_CHECKING:
    from django_craftkit.client.base import Client

#: What arguments are given, by their names. What stands in a path is called as Craftkit does.
ARGUMENTS: dict[str, Any] = {
    "id": ":id",
    "render_id": ":id",
    "share_id": ":shareId",
    "session_id": ":sessionId",
    "slug": ":slug",
    "name": "name",
    "data": {},
    "manifest": {},
    "to": "ada@example.com",
    "event_type": "viewed",
    "recipients": [JANE],
    "anchor_tags": [SIGN_HERE],
    "idempotency_key": "key",
    "tenant": Tenant("org", "Acme"),
    "actor": Actor("ada"),
    "renew_token": RENEW_TOKEN,
    "catalog": Catalog(),
    "document_template": {},
    "file": b"\x89PNG\r\n\x1a\n",
    "external_org_id": "org",
    "email_from": "ada@example.com",
}
#: Arguments with a default that Craftkit's limits make needed, by the method.
ALSO = {"craftkit.signatures.create": {"anchor_tags"}}
METHOD = re.compile(r"`(\w+(?:\.\w+)+)\(")


class Recorder(BaseAdapter):
    """Answers each call with a 404 of Craftkit's, and notes it."""

    def __init__(self, calls: list[Endpoint]) -> None:
        super().__init__()
        self.calls = calls

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        path = unquote(urlsplit(request.url or "").path)
        self.calls.append((request.method or "", str(path)))
        response = requests.Response()
        response.status_code = 404
        response.raw = io.BytesIO(b'{"error": {"code": "not_found", "message": "No."}}')
        return response

    def close(self) -> None:
        pass


def clients(calls: list[Endpoint], kind: type[Recorder]) -> dict[str, Client]:
    """A client for each kind of credential, as the docs call it."""
    return {
        "craftkit": Craftkit(KEY, adapter=lambda: kind(calls)),
        "session": CraftkitSession("token", adapter=lambda: kind(calls)),
        "hook": CraftkitHook(":token", adapter=lambda: kind(calls)),
        "account": CraftkitAccount(KEY, adapter=lambda: kind(calls)),
        "admin": CraftkitAdmin(KEY, adapter=lambda: kind(calls)),
    }


def methods(of: object, name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods of a client and of its resources, by their names in the docs."""
    for attribute in dir(of):
        if attribute.startswith("_"):
            continue
        value = getattr(of, attribute)
        if isinstance(value, Resource):
            yield from methods(value, f"{name}.{attribute}")
        elif inspect.ismethod(value):
            yield f"{name}.{attribute}", value


def arguments(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(method).parameters.values()
    needed = {one.name for one in parameters if one.default is one.empty} | ALSO.get(name, set())
    return {one: ARGUMENTS[one] for one in needed}


def called() -> dict[str, list[Endpoint]]:
    """Which endpoints each method calls."""
    calls: list[Endpoint] = []
    found: dict[str, list[Endpoint]] = {}
    for client, reached in clients(calls, Recorder).items():
        for name, method in methods(reached, client):
            calls.clear()
            with contextlib.suppress(NotFound):
                answer = method(**arguments(name, method))
                if isinstance(answer, Iterator):
                    next(answer)
            found[name] = [*calls]
    return found


@pytest.fixture(scope="module")
def calls() -> dict[str, list[Endpoint]]:
    return called()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_every_endpoint_has_a_method(calls: dict[str, list[Endpoint]], endpoint: Endpoint) -> None:
    reached = {one for endpoints in calls.values() for one in endpoints}
    assert VARIANTS.get(endpoint, endpoint) in reached


def test_every_method_calls_endpoints_that_there_are(calls: dict[str, list[Endpoint]]) -> None:
    for name, endpoints in calls.items():
        assert endpoints, name
        assert set(endpoints) <= {*ENDPOINTS}, name


def test_the_docs_tell_which_method_calls_which_endpoint(
    calls: dict[str, list[Endpoint]],
) -> None:
    rows = pages.table("docs/client.md", "endpoint", "method")
    told = {endpoint: set(METHOD.findall(row["method"])) for endpoint, row in rows.items()}
    known = {
        " ".join(endpoint): {
            name for name, reached in calls.items() if VARIANTS.get(endpoint, endpoint) in reached
        }
        for endpoint in ENDPOINTS
    }
    assert told == known
