"""A sandbox with a clock that stands still until it is moved, and a session that ends in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.sandbox import DEFAULT_KEY, Sandbox

if TYPE_CHECKING:
    import requests

INVOICE: dict[str, Any] = {
    "variables": [
        {"key": "customer.name", "label": "Customer", "dataType": "text", "required": True},
        {"key": "customer.email", "label": "E-mail", "dataType": "email"},
        {"key": "total", "label": "Total", "dataType": "currency", "format": "money:EUR"},
    ],
    "loops": [
        {
            "key": "lines",
            "label": "Lines",
            "itemFields": [
                {"key": "what", "label": "What", "dataType": "text", "required": True},
                {"key": "count", "label": "Count", "dataType": "number"},
            ],
        }
    ],
}
DATA: dict[str, Any] = {"customer": {"name": "Ada Lovelace"}, "total": 42}


class Clock:
    """Seconds since 1970 that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_780_653_600.0  # 2026-06-05T10:00:00Z

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Api:
    """Craftkit as a client sees it, with the paths of the documentation."""

    def __init__(self, session: requests.Session, base: str, key: str | None = DEFAULT_KEY) -> None:
        self.session = session
        self.base = base
        if key is not None:
            session.headers["Authorization"] = f"Bearer {key}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        options.setdefault("allow_redirects", False)
        url = path if path.startswith("http") else self.base + path
        return self.session.request(method, url, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self("PUT", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self("DELETE", path, **options)

    def render(
        self, data: Any = DATA, *, slug: str = "invoice", key: str | None = None, **body: Any
    ) -> requests.Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        path = f"/v1/templates/{slug}/render"
        return self.post(path, {"data": data, **body}, headers=headers)

    def share(self, **body: Any) -> dict[str, Any]:
        """A render, and a share link of it."""
        render_id = self.render().json()["id"]
        answer = self.post(f"/v1/renders/{render_id}/shares", body)
        assert answer.status_code == 201, answer.text
        return {**answer.json(), "renderId": render_id}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    sandbox = Sandbox(clock=clock)
    sandbox.put_template("invoice", name="Invoice", manifest=INVOICE)
    return sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    return Api(sandbox.session(), "https://api.craftkit.test")


@pytest.fixture
def guest(sandbox: Sandbox) -> Api:
    """Somebody without a key."""
    return Api(sandbox.session(), "https://api.craftkit.test", key=None)
