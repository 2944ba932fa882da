"""The sandbox takes what Craftkit's contract lists, up to its limits, and looks at each of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, DEFAULT_ADMIN_KEY, DEFAULT_KEY, Sandbox
from tests.contract import FIELDS, limits
from tests.contract_samples import RENDER, RENEW_TOKEN, SAMPLES, cases, changed

from .conftest import Api

if TYPE_CHECKING:
    import requests

    from tests.endpoints import Endpoint

PEOPLE = {
    "tenant": {"externalId": "org", "displayName": "Acme"},
    "actor": {"externalId": "ada"},
}
LONG = 5_000
"""Characters that no limit of the contract has."""


class World:
    """A Craftkit in which each call has something to be about."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        template = self.sandbox.put_any_template("ship")
        api = self.api = self.of(DEFAULT_KEY)
        self.account = self.of(DEFAULT_ACCOUNT_KEY)
        self.admin = self.of(DEFAULT_ADMIN_KEY)
        self.render = api.render({}, slug="ship").json()["id"]
        self.hook = template.hook.token
        api.post("/v1/embed/catalogs", {"name": "crm", "catalog": {}})
        scope = {"mode": "fill", "templateId": template.id}
        session = {**PEOPLE, "scope": scope, "permissions": {"submitForm": True}}
        self.session = api.post("/v1/embed/sessions", session).json()

    def of(self, key: str | None) -> Api:
        return Api(self.sandbox.session(), "https://api.craftkit.test", key)

    def call(self, endpoint: Endpoint, body: dict[str, Any]) -> requests.Response:
        """Make a call with a sample, or with what a test has made of one."""
        method, path = endpoint
        said = _put(body, {RENDER: self.render, RENEW_TOKEN: self.session["renew_token"]})
        place = path.replace(":slug", "ship").replace(":token", self.hook)
        place = place.replace(":sessionId", self.session["session_id"])
        by = self.api
        if path.startswith("/v1/projects"):
            by = self.account
            if ":id" in path:
                place = place.replace(":id", by.post("/v1/projects", {"name": "A"}).json()["id"])
        elif path.startswith("/v1/admin"):
            by = self.admin
            if method == "PATCH":
                by.post(path, {"externalOrgId": "org", "name": "Acme"})
                by.post(path, {"externalOrgId": "x" * LONG, "name": "Acme"})
        elif path.startswith("/v1/hooks"):
            by = self.of(None)
        elif "form-submit" in path:
            by = self.of(self.session["session_token"])
        elif path.startswith("/v1/signatures/:id"):
            (sample,) = SAMPLES["POST", "/v1/signatures"]
            request = self.call(("POST", "/v1/signatures"), sample).json()["id"]
            place = place.replace(":id", request)
        place = place.replace(":id", self.render)
        return by.get(place, params=said) if method == "GET" else by(method, place, json=said)


def _put(value: Any, known: dict[str, str]) -> Any:
    """A body with the ids of this world in the place of those of the samples."""
    match value:
        case dict():
            return {name: _put(one, known) for name, one in value.items()}
        case list():
            return [_put(one, known) for one in value]
        case str():
            return known.get(value, value)
    return value


@pytest.fixture(scope="module")
def world() -> World:
    return World()


each = pytest.mark.parametrize(
    ("endpoint", "path", "sample"),
    [one for one in cases() if FIELDS[one[0]][one[1]] != "any"],
    ids=str,
)


def refused_for(answer: requests.Response, path: str) -> bool:
    """Whether a call was refused for what is at a path."""
    if answer.status_code not in (400, 422):
        return False
    error = answer.json()["error"]
    assert error["code"] in {"invalid_request", "invalid_input_data"}
    wanted = path.replace("[]", ".0")
    # Or for what it is in: several entries of a list that don't go together.
    named = error["issues"]["fieldErrors"]
    return any(name.startswith(wanted) or wanted.startswith(f"{name}.") for name in named)


@pytest.mark.parametrize("endpoint", FIELDS, ids=" ".join)
def test_the_sandbox_takes_all_that_the_contract_lists(endpoint: Endpoint) -> None:
    world = World()
    for sample in SAMPLES[endpoint]:
        answer = world.call(endpoint, sample)
        assert answer.ok, answer.text
        # What can be sent once.
        world.session = world.session | {"renew_token": answer.json().get("renew_token")}


@each
def test_the_sandbox_looks_at_all_that_the_contract_describes(
    world: World, endpoint: Endpoint, path: str, sample: int
) -> None:
    kind, _, _ = limits(FIELDS[endpoint][path])
    wrong = "x" if endpoint[0] == "GET" else 7 if kind == "objects" else [7]
    answer = world.call(endpoint, changed(SAMPLES[endpoint][sample], path, wrong))
    assert refused_for(answer, path), answer.text


@each
def test_the_sandbox_has_the_limits_of_the_contract(
    world: World, endpoint: Endpoint, path: str, sample: int
) -> None:
    kind, least, most = limits(FIELDS[endpoint][path])
    body = SAMPLES[endpoint][sample]
    for size, is_taken in (
        (least, True),
        (LONG if most is None else most, True),
        (None if least is None else least - 1, False),
        (None if most is None else most + 1, False),
    ):
        value = None if size is None else sized(kind, path, size)
        if value is not None:
            answer = world.call(endpoint, changed(body, path, value))
            assert refused_for(answer, path) is not is_taken, (value, answer.text)


#: Texts of which the contract has a list, or that lead to something.
WRITTEN = {
    "channel",
    "eventType",
    "designation",
    "type",
    "dataType",
    "mode",
    "baseTheme",
    "captureMode",
}


def sized(kind: str, path: str, size: int) -> Any:
    """A value of this size; None where its size is not what counts."""
    if path.rpartition(".")[2] in WRITTEN:
        return None
    match kind:
        case "text":
            return "x" * size
        case "email" if size > len("@example.com"):
            return "x" * (size - 12) + "@example.com"
        case "whole" | "number":
            return size
    return None
