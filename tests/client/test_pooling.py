"""Connections are shared by the clients of one host; the key is each call's own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import requests
from django.test import override_settings
from requests.adapters import HTTPAdapter

from django_craftkit.client import AuthenticationError, Craftkit, Secret, Sessions
from django_craftkit.client.pooling import MOST, as_called
from django_craftkit.projects import get_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Keeping(ThreadingHTTPServer):
    """Keeps connections open, and notes which there were and which key came by each call."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.connections = 0
        self.keys: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Keeping

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        body = b'{"templates": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def keeping() -> Iterator[Callable[[], Keeping]]:
    servers: list[Keeping] = []

    def keeping() -> Keeping:
        servers.append(Keeping())
        return servers[-1]

    yield keeping
    for server in servers:
        server.shutdown()
        server.server_close()


def test_two_hundred_projects_at_one_host_have_one_connection_in_each_thread(keeping):
    server = keeping()
    projects = {
        f"tenant-{number}": {"API_KEY": f"ck_test_{number}", "BASE_URL": server.url}
        for number in range(200)
    }
    together = threading.Barrier(4, timeout=30)

    def call_all() -> None:
        together.wait()
        for alias in projects:
            get_client(alias).templates.list()
        together.wait()

    with override_settings(CRAFTKIT_PROJECTS=projects), ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(call_all) for _ in range(4)]:
            made.result()
    assert server.connections == 4
    assert sorted(server.keys) == sorted(f"Bearer ck_test_{n}" for n in range(200) for _ in "1234")


def test_a_key_goes_to_the_host_of_its_client_alone(keeping):
    one, other, sessions = keeping(), keeping(), Sessions()
    mine = Craftkit("ck_test_mine", base_url=one.url, sessions=sessions)
    theirs = Craftkit("ck_test_theirs", base_url=other.url, sessions=sessions)
    for client in (mine, theirs, mine):
        client.templates.list()
    assert (one.keys, one.connections) == (["Bearer ck_test_mine"] * 2, 1)
    assert (other.keys, other.connections) == (["Bearer ck_test_theirs"], 1)


def test_no_session_holds_a_key(keeping):
    sessions, url = Sessions(), keeping().url
    Craftkit("ck_test_mine", base_url=url, sessions=sessions).templates.list()
    session = sessions.get(as_called(url), None)
    assert "Authorization" not in session.headers
    assert session.auth is None
    assert not session.cookies


def test_clients_share_nothing_unless_they_are_told_to(keeping):
    server = keeping()
    for key in ("ck_test_mine", "ck_test_theirs"):
        Craftkit(key, base_url=server.url).templates.list()
    assert server.connections == 2


class TestSessions:
    def test_are_one_for_each_thread_address_and_adapter(self):
        sessions = Sessions()
        one = sessions.get("http://a", None)
        assert sessions.get("http://a", None) is one
        assert sessions.get("http://b", None) is not one
        special = sessions.get("http://a", HTTPAdapter)
        assert special is not one
        assert sessions.get("http://a", HTTPAdapter) is special
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(sessions.get, "http://a", None).result() is not one

    def test_are_bounded_where_adapters_are_made_anew(self):
        sessions = Sessions()
        first = sessions.get("http://a", None)
        for _ in range(MOST - 1):
            sessions.get("http://a", lambda: HTTPAdapter())
            assert sessions.get("http://a", None) is first
        assert len(sessions._own.sessions) == MOST
        for _ in range(MOST):
            sessions.get("http://a", lambda: HTTPAdapter())
        assert len(sessions._own.sessions) == MOST
        assert sessions.get("http://a", None) is not first

    def test_do_not_survive_a_fork(self, monkeypatch):
        sessions = Sessions()
        parents = sessions.get("http://a", None)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert sessions.get("http://a", None) is not parents

    def test_take_an_adapter_that_has_no_hash(self):
        class Making:
            __hash__ = None

            def __call__(self) -> HTTPAdapter:
                return HTTPAdapter()

        making = Making()
        sessions = Sessions()
        assert sessions.get("http://a", making) is sessions.get("http://a", making)


def test_a_refused_key_is_named_by_a_fingerprint_that_tells_nothing_of_it(api, once):
    api.get(f"{once.base_url}/v1/templates", status=401, json={"error": {"code": "unauthorized"}})
    with pytest.raises(AuthenticationError) as raised:
        once.templates.list()
    key = Secret("ck_test_0123456789abcdef")
    assert raised.value.fingerprint == key.fingerprint
    assert len(key.fingerprint) == 16
    assert key.fingerprint not in key.reveal()
    assert Secret("another").fingerprint != key.fingerprint
    assert Secret("").fingerprint == ""
    assert AuthenticationError().fingerprint == ""


def test_an_address_is_called_as_requests_would():
    assert as_called("HTTPS://Api.Craftkit.dev/") == "https://api.craftkit.dev"
    with pytest.raises(requests.exceptions.RequestException):
        as_called("https://")
