"""What a path means, over a socket and in the process: the same, however it is written."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WsgiClient

from django_craftkit.client import Craftkit, InvalidResponse, NotFound
from django_craftkit.sandbox import DEFAULT_KEY, Sandbox, SandboxAdapter, SandboxServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"Authorization": f"Bearer {DEFAULT_KEY}", "Content-Type": "application/json"}
BODY = '{"data": {}}'

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def sandbox(sandbox) -> Sandbox:
    sandbox.put_any_template("invoice")
    return sandbox


def over_a_socket(sandbox: Sandbox) -> Iterator[Any]:
    with SandboxServer(sandbox) as server:

        def call(method: str, target: str) -> Answer:
            # No library that would tidy the target.
            connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port)
            connection.request(method, target, BODY, HEADERS)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, dict(answer.getheaders()), content

        yield call


def in_the_process(sandbox: Sandbox) -> Iterator[Any]:
    with SandboxAdapter(sandbox).session() as session:

        def call(method: str, target: str) -> Answer:
            request = requests.Request(method, sandbox.public_url, data=BODY, headers=HEADERS)
            prepared = session.prepare_request(request)
            prepared.url = sandbox.public_url + target
            answer = session.send(prepared, allow_redirects=False)
            return answer.status_code, dict(answer.headers), answer.content

        yield call


@pytest.fixture(params=[over_a_socket, in_the_process], ids=["socket", "process"])
def call(request, sandbox) -> Iterator[Any]:
    yield from request.param(sandbox)


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("invoice%2Frender", "invoice/render"),
        ("%2Finvoice", "/invoice"),
        ("invoice%2F", "invoice/"),
        ("a%252Fb", "a%2Fb"),
        ("100%25", "100%"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("a%3Fb%23c", "a?b#c"),
        ("%2E%2E", ".."),
        ("..", ".."),
        ("..%2F..%2Fhealth", "../../health"),
        ("%00", "\x00"),
        ("h%C3%A4user", "häuser"),
        ("%FF%2F%FE", "\ufffd/\ufffd"),
    ],
)
def test_a_slug_is_one_segment_whatever_it_holds(call, written, slug):
    status, _, content = call("GET", f"/v1/templates/{written}")

    error = json.loads(content)["error"]
    assert (status, error["code"]) == (404, "template_not_found")
    assert f'"{slug}"' in error["message"]


def test_what_is_after_an_encoded_slash_is_no_endpoint(call, sandbox):
    assert call("POST", "/v1/templates/invoice%2Frender")[0] == 405
    assert call("POST", "/v1/templates/x%2Finvoice/render")[0] == 404
    assert sandbox.renders == []
    assert call("POST", "/v1/templates/invoice/render")[0] == 202


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("/v1/templates/invoice", 200),
        ("/v1/%74emplates/%69nvoice", 200),
        ("/%76%31/templates/invoice", 200),
        ("/v1/templates/invoice/", 200),
        ("//v1/templates/invoice", 200),
        ("/v1/templates/invoice?slug=/other#part", 200),
        ("/v1//templates/invoice", 404),
        ("/v1/templates//invoice", 404),
        ("/v1/templates%2Finvoice", 404),
        ("/v1%2Ftemplates/invoice", 302),
        ("/V1/templates/invoice", 302),
    ],
)
def test_one_path_may_be_written_in_several_ways(call, written, status):
    assert call("GET", written)[0] == status


def test_the_log_and_the_faults_see_the_slash_as_it_was_sent(call, sandbox):
    sandbox.faults.add("status", path="/v1/templates/a%2Fb", status=503)

    assert call("GET", "/v1/templates/a/b")[0] == 404
    assert call("GET", "/v1/templates/a%2fb")[0] == 503
    call("GET", "/v1/templates/a%252Fb")

    assert [request.path for request in sandbox.requests] == [
        "/v1/templates/a/b",
        "/v1/templates/a%2Fb",
        "/v1/templates/a%252Fb",
    ]


def test_a_whole_url_is_a_target_too(sandbox):
    for call in over_a_socket(sandbox):
        assert call("GET", "http://127.0.0.1/v1/templates/invoice")[0] == 200
        assert b"template_not_found" in call("GET", "http://127.0.0.1/v1/templates/a%2Fb")[2]


@pytest.mark.parametrize("targets", [{}, {"REQUEST_URI": "/was/rewritten"}])
def test_a_server_that_tells_no_target_is_believed_its_path(sandbox, targets):
    mounted = DispatcherMiddleware(Sandbox(), {"/craftkit": sandbox})
    answer = WsgiClient(mounted).get(
        "/craftkit/v1/templates/invoice", headers=HEADERS, environ_overrides=targets
    )
    assert answer.status_code == 200


def test_below_another_path_a_slug_keeps_its_slash(sandbox):
    mounted = DispatcherMiddleware(Sandbox(), {"/craftkit": sandbox})
    target = {"REQUEST_URI": "/craftkit/v1/templates/a%2Fb"}
    answer = WsgiClient(mounted).get(
        target["REQUEST_URI"], headers=HEADERS, environ_overrides=target
    )
    assert answer.json["error"]["code"] == "template_not_found"


# What is no call of the API is led to the web site, which a sandbox has at its own address.

ELSEWHERE = [
    "/",
    "/elsewhere",
    "/v1x",
    "/v10/templates",
    "/templates",
    "/pricing/?a=b",
    "/api/authors",
]


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_what_is_no_api_call_is_redirected_to_the_web_site(call, sandbox, method, path):
    status, headers, content = call(method, path)

    assert status == 302
    assert headers["Content-Type"].startswith("text/html")
    assert b"no API" in content
    target = urljoin(sandbox.public_url + path, headers["Location"])
    assert target == f"{sandbox.public_url}/_sandbox/"
    assert call("GET", headers["Location"])[0] == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/health/x", "/api/auth/session"])
def test_below_the_api_an_endpoint_that_is_none_is_not_found(call, path):
    status, _, content = call("GET", path)
    assert (status, json.loads(content)["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/share/x/y", "/sign", "/mail/x", "/files/x", "/_sandbox/x"])
def test_a_page_of_the_web_site_that_is_none_is_not_found(call, path):
    status, headers, _ = call("GET", path)
    assert (status, headers["Content-Type"].split(";")[0]) == (404, "text/html")


def test_embed_answers_flat_for_a_wrong_method_too(call):
    status, _, content = call("POST", "/v1/embed/renders/x/download")
    assert (status, json.loads(content)) == (405, {"error": "method_not_allowed"})


@pytest.mark.parametrize(
    ("tail", "error"),
    [("/craftkit", InvalidResponse), ("/share", NotFound), ("/_sandbox", NotFound)],
)
def test_a_client_with_a_wrong_address_is_told_so(sandbox, tail, error):
    with SandboxServer(sandbox) as server:
        craftkit = Craftkit(DEFAULT_KEY, base_url=server.url + tail, max_retries=0)
        with pytest.raises(error, match="no address of Craftkit's API"):
            craftkit.templates.get("invoice")
