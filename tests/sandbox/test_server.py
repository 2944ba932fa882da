from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from django_craftkit.sandbox import Sandbox, SandboxServer
from django_craftkit.sandbox.cli import main
from tests.helpers import until

from .conftest import INVOICE, Api


def test_it_serves_on_a_free_port_and_its_links_lead_to_it(sandbox):
    with SandboxServer(sandbox) as server:
        api = Api(requests.Session(), server.url)
        share = api.share()

        assert share["shareUrl"].startswith(server.url)
        page = requests.get(share["shareUrl"], timeout=5)
        assert page.status_code == 200
        render = api.get(f"{server.url}/v1/renders/{share['renderId']}").json()
        assert requests.get(render["downloadUrl"], timeout=5).content.startswith(b"%PDF-")


def test_a_public_url_that_was_given_stays():
    with SandboxServer(Sandbox(public_url="https://tunnel.example/")) as server:
        assert server.sandbox.public_url == "https://tunnel.example"


def test_after_the_end_nobody_listens_and_it_can_start_again(sandbox):
    server = SandboxServer(sandbox)
    with server:
        url = server.url
        session = requests.Session()
        assert session.get(url + "/health", timeout=5).ok
    with pytest.raises(requests.ConnectionError):
        session.get(url + "/health", timeout=5)
    with pytest.raises(RuntimeError):
        _ = server.url

    with server:
        assert requests.get(server.url + "/health", timeout=5).ok
        with pytest.raises(RuntimeError):
            server.start()
    server.stop()


def test_a_port_that_is_taken_is_an_error_like_any_other():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = SandboxServer(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            server.start()


def delayed_caller(server) -> threading.Thread:
    """Call, and return once the call is held up; it is answered, or hung up on, by a stop."""

    def call() -> None:
        with contextlib.suppress(requests.RequestException):
            requests.get(server.url + "/health", timeout=60)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    until(lambda: server.sandbox.requests)
    return caller


def test_an_end_does_not_wait_for_a_delay(sandbox):
    sandbox.faults.add("delay", seconds=60)
    with SandboxServer(sandbox) as server:
        caller = delayed_caller(server)
    caller.join(30)
    assert not caller.is_alive()


def test_a_delay_holds_up_nobody_else(sandbox):
    sandbox.faults.add("delay", seconds=60, path="/health")
    with SandboxServer(sandbox) as server:
        caller = delayed_caller(server)
        assert requests.get(server.url + "/v1/health", timeout=30).ok
        assert caller.is_alive()
    caller.join(30)
    assert not caller.is_alive()


def program(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "django_craftkit.sandbox", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment or None,
    )


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_is_and_ends_when_it_is_told(kind, tmp_path):
    file = tmp_path / "templates.json"
    file.write_text(json.dumps([{"slug": "invoice", "name": "Invoice", "manifest": INVOICE}]))
    with program(
        "--key",
        "ck_test_a",
        "--key",
        "eu=ck_test_b",
        "--templates",
        str(file),
        "--render-seconds",
        "0",
        "--webhook-url",
        "http://127.0.0.1:9/",
        "--webhook-secret",
        "s",
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Craftkit sandbox at http://127.0.0.1:")
        url = line.split()[-1]
        api = Api(requests.Session(), url, "ck_test_a")
        render = api.render().json()
        assert api.get(render["pollUrl"]).json()["status"] == "succeeded"
        other = Api(requests.Session(), url, "ck_test_b")
        assert other.get("/v1/templates").json() == {"templates": []}
        assert api.get("/v1/templates", headers={"Authorization": "Bearer x"}).status_code == 401
        process.send_signal(kind)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
    assert "POST /v1/templates/invoice/render 202" in errors
    assert "Traceback" not in errors
    assert "ck_test" not in errors


@pytest.mark.parametrize("content", ["{", "{}", "[7]", '[{"name": "x"}]', '[{"slug": "x"}]'])
def test_a_file_of_templates_that_is_none_ends_it_with_a_word(tmp_path, capsys, content):
    file = tmp_path / "templates.json"
    file.write_text(content)

    assert main(["--port", "0", "--templates", str(file)]) == 1
    assert capsys.readouterr().err.startswith("craftkit sandbox: ")


def test_a_file_that_is_not_there_ends_it_with_a_word(capsys):
    assert main(["--templates", "/nowhere.json"]) == 1
    assert "/nowhere.json" in capsys.readouterr().err
