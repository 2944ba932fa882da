"""Each fault twice: in this process, and over a real socket; a client must see the same."""

from __future__ import annotations

import time

import pytest
import requests
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from django_craftkit.sandbox import Fault, SandboxServer
from tests.helpers import until

from .conftest import Api

HEALTH = "/v1/health"


@pytest.fixture(params=["in-process", "socket"])
def wire(request, sandbox):
    """The API over one of the two transports."""
    if request.param == "in-process":
        yield Api(sandbox.session(), "http://127.0.0.1:9100")
    else:
        with SandboxServer(sandbox) as server, requests.Session() as session:
            yield Api(session, server.url)


def test_a_status_can_be_answered_with_a_code_and_retry_after(wire, sandbox):
    sandbox.faults.add("status", status=429, code="rate_limited", retry_after=7, times=2)

    for _ in range(2):
        answer = wire.render()
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "7"
        assert answer.json()["error"]["code"] == "rate_limited"
    assert wire.render().status_code == 202
    assert len(sandbox.renders) == 1


def test_a_body_can_be_given_as_it_is(wire, sandbox):
    sandbox.faults.add("status", status=503, body='{"error": "queue_unavailable"}')

    answer = wire.render()

    assert (answer.status_code, answer.json()) == (503, {"error": "queue_unavailable"})


def test_a_call_can_be_handled_and_yet_answered_with_an_error(wire, sandbox):
    sandbox.faults.add("status", status=500, handled=True)

    assert wire.render(key="k").status_code == 500
    assert len(sandbox.renders) == 1
    assert wire.render(key="k").status_code == 200


def test_on_embed_the_error_is_flat(wire, sandbox):
    sandbox.faults.add("status", status=403, code="partner_suspended")

    assert wire.get("/v1/embed/renders/x/download").json() == {"error": "partner_suspended"}


def test_a_proxy_can_answer_with_html(wire, sandbox):
    sandbox.faults.add("garbage")
    sandbox.faults.add("garbage", status=200, body="<p>Please log in")

    for status, text in ((502, "Bad Gateway"), (200, "Please log in")):
        answer = wire.get(HEALTH)
        assert answer.status_code == status
        assert answer.headers["Content-Type"].startswith("text/html")
        assert text in answer.text
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()


def test_a_cut_before_leaves_nothing_behind(wire, sandbox):
    sandbox.faults.add("cut_before", method="POST")

    with pytest.raises(requests.ConnectionError) as caught:
        wire.render(key="k")

    assert isinstance(caught.value.args[0], ProtocolError)
    assert "Connection aborted" in str(caught.value)
    assert sandbox.renders == []
    assert wire.render(key="k").status_code == 202


def test_a_cut_after_has_acted_and_looks_the_same(wire, sandbox):
    sandbox.faults.add("cut_after", method="POST")

    with pytest.raises(requests.ConnectionError) as caught:
        wire.render(key="k")

    assert isinstance(caught.value.args[0], ProtocolError)
    assert "Connection aborted" in str(caught.value)
    assert len(sandbox.renders) == 1
    assert wire.render(key="k").status_code == 200
    assert [status for *_, status in sandbox.requests] == [None, 200]


def test_an_answer_later_than_the_clients_patience_was_acted_upon(wire, sandbox):
    sandbox.faults.add("delay", seconds=60)

    started = time.monotonic()
    with pytest.raises(requests.ReadTimeout) as caught:
        wire(
            "POST",
            "/v1/templates/invoice/render",
            json={"data": {"customer": {"name": "Ada"}}},
            timeout=(3, 0.2),
        )

    assert time.monotonic() - started < 30
    assert isinstance(caught.value.args[0], ReadTimeoutError)
    until(lambda: sandbox.renders)
    assert len(sandbox.renders) == 1


def test_a_delay_within_the_clients_patience_is_only_slow(wire, sandbox):
    sandbox.faults.add("delay", seconds=0.05)

    assert wire.get(HEALTH, timeout=5).status_code == 200


def test_a_download_can_end_in_the_middle(wire, sandbox):
    path = f"/v1/renders/{wire.render().json()['id']}/download"
    whole = wire.get(path).content
    sandbox.faults.add("truncated", path="/v1/renders/*/download", times=2)

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        wire.get(path)
    answer = wire.get(path, stream=True)
    assert int(answer.headers["Content-Length"]) == len(whole)
    assert answer.headers["Content-Type"] == "application/pdf"
    got: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        got.extend(answer.iter_content(1024))
    assert whole.startswith(b"".join(got))
    assert len(b"".join(got)) < len(whole)
    assert wire.get(path).content == whole


def test_faults_come_in_the_order_they_were_asked_for(wire, sandbox):
    sandbox.faults.add("status", status=503)
    sandbox.faults.add("status", status=429)

    assert [wire.get(HEALTH).status_code for _ in range(3)] == [503, 429, 200]


def test_a_fault_without_times_lasts_until_it_is_cleared(wire, sandbox):
    sandbox.faults.add("status", status=503, times=None)

    assert [wire.get(HEALTH).status_code for _ in range(5)] == [503] * 5
    sandbox.faults.clear()
    assert wire.get(HEALTH).status_code == 200


def test_a_fault_meets_only_its_method_and_path(wire, sandbox):
    sandbox.faults.add("status", method="POST", path="/v1/templates/*/render", status=503)

    assert wire.get("/v1/templates/invoice").status_code == 200
    assert wire.put("/v1/templates/other", {}).status_code == 400
    assert wire.render().status_code == 503


@pytest.fixture
def nobody_there(unused_port):
    return f"http://127.0.0.1:{unused_port}"


@pytest.fixture
def unused_port():
    with SandboxServer() as server:
        return int(server.url.rpartition(":")[2])


def test_refused_looks_as_if_nobody_listened(api, sandbox, nobody_there):
    sandbox.faults.add("refused", times=1)
    seen = []
    for call in (
        lambda: api.render(),
        lambda: requests.post(nobody_there + "/v1/templates/invoice/render", timeout=5),
    ):
        with pytest.raises(requests.ConnectionError) as caught:
            call()
        seen.append(caught.value)

    for error in seen:
        assert type(error) is requests.ConnectionError
        assert isinstance(error.args[0].reason, NewConnectionError)
        assert "Failed to establish a new connection: [Errno 111] Connection refused" in str(error)
        assert error.request is not None
    assert sandbox.renders == []


def test_connecting_can_time_out(api, sandbox):
    sandbox.faults.add("connect_timeout")

    with pytest.raises(requests.ConnectTimeout, match=r"connect timeout=3\.05"):
        api.get(HEALTH, timeout=(3.05, 30))

    assert isinstance(requests.ConnectTimeout(), requests.ConnectionError)


def test_over_a_socket_refused_is_a_connection_that_ends_at_once(sandbox):
    sandbox.faults.add("refused")
    with SandboxServer(sandbox) as server, pytest.raises(requests.ConnectionError):
        Api(requests.Session(), server.url).render()
    assert sandbox.renders == []


def test_delay_and_refusal_come_together(api, sandbox):
    sandbox.faults.add("delay", seconds=60)
    sandbox.faults.add("status", status=503)

    with pytest.raises(requests.ReadTimeout):
        api.get(HEALTH, timeout=30)

    assert len(sandbox.faults) == 0


@pytest.mark.parametrize(
    ("timeout", "late"),
    [(None, False), (10, True), ((3, 10), True), ((3, None), False), (60, False)],
)
def test_in_process_nobody_waits(api, sandbox, timeout, late):
    sandbox.faults.add("delay", seconds=30)
    started = time.monotonic()

    if late:
        with pytest.raises(requests.ReadTimeout):
            api.get(HEALTH, timeout=timeout)
    else:
        assert api.get(HEALTH, timeout=timeout).status_code == 200

    assert time.monotonic() - started < 20


def test_faults_are_asked_for_over_http_too(wire, sandbox):
    answer = wire.post(
        "/_sandbox/faults",
        [
            {"kind": "status", "path": "/v1/health", "status": 503, "times": 2},
            {"kind": "render_failed", "template": "invoice", "message": "No"},
        ],
    )

    assert answer.status_code == 201
    first, second = answer.json()["faults"]
    assert (first["kind"], first["times"], second["message"]) == ("status", 2, "No")
    assert wire.get(HEALTH).status_code == 503
    listed = wire.get("/_sandbox/faults").json()["faults"]
    assert [(fault["id"], fault["times"]) for fault in listed] == [
        (first["id"], 1),
        (second["id"], 1),
    ]
    assert wire.delete(f"/_sandbox/faults/{first['id']}").status_code == 200
    assert wire.delete(f"/_sandbox/faults/{first['id']}").status_code == 404
    assert wire.get(HEALTH).status_code == 200
    assert wire.delete("/_sandbox/faults").json() == {"faults": []}
    assert len(sandbox.faults) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        7,
        [7],
        {"kind": "explode"},
        {"kind": 7},
        {"kind": "status", "statuts": 503},
        {"kind": "status", "status": "503"},
        {"kind": "status", "status": 1000},
        {"kind": "status", "times": 0},
        {"kind": "status", "times": 1.5},
        {"kind": "delay", "seconds": -1},
        {"kind": "delay", "seconds": 1e12},
    ],
)
def test_a_fault_that_is_none_is_refused_and_none_is_added(api, sandbox, body):
    answer = api.post("/_sandbox/faults", body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert len(sandbox.faults) == 0


def test_the_desk_meets_no_faults(api, sandbox):
    sandbox.faults.add("status", status=503, times=None)

    assert api.delete("/_sandbox/faults").status_code == 200


def test_a_fault_can_be_made_first_and_removed(sandbox):
    fault = sandbox.faults.add(Fault("delay", seconds=1))

    assert list(sandbox.faults) == [fault]
    assert sandbox.faults.remove(fault.id)
    assert not sandbox.faults.remove(fault.id)
    with pytest.raises(ValueError, match="unknown kind"):
        sandbox.faults.add("explode")
