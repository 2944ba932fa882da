from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.serving import WSGIRequestHandler

from django_craftkit.sandbox import DEFAULT_ADMIN_KEY, DEFAULT_KEY, Sandbox, SandboxServer
from django_craftkit.sandbox.cli import add_arguments, build, main
from django_craftkit.sandbox.http.hosts import LOCAL_ADDRESS
from django_craftkit.sandbox.server import _Handler
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


def status(server: SandboxServer, path: str, host: str | None, method: str = "GET") -> int:
    """What a call is answered that names this host, or none."""
    with contextlib.closing(socket.create_connection(server_address(server))) as connection:
        named = "" if host is None else f"Host: {host}\r\n"
        connection.sendall(f"{method} {path} HTTP/1.0\r\n{named}Content-Length: 0\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def server_address(server: SandboxServer) -> tuple[str, int]:
    port = urlsplit(server.url).port
    assert port is not None
    return "127.0.0.1", port


FOREIGN = [
    *("evil.example", "evil.example:9100", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("127.0.0.1@evil.example", "evil.example@127.0.0.1", "evil.example#127.0.0.1", "é", ".", ":"),
    *("192.168.1.7", "[2001:db8::1]", "[::1", "127.0.0.1, evil.example", "0.0.0.0", "craftkit"),
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_host_that_is_another_s_is_refused_everywhere(sandbox, host):
    share_path = f"/share/{Api(sandbox.session(), sandbox.public_url).share()['shareToken']}"
    before = len(sandbox.requests)
    with SandboxServer(sandbox) as server:
        for method, path in (
            *(("GET", "/"), ("GET", "/_sandbox/"), ("GET", "/_sandbox/mails"), ("GET", share_path)),
            *(
                ("POST", "/_sandbox/reset"),
                ("GET", "/v1/templates"),
                ("GET", "/v1/embed/renders/x"),
            ),
            *(("GET", "/health"), ("GET", "/nowhere")),
        ):
            assert status(server, path, host, method) == 403
    assert len(sandbox.renders) == 1
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:1",
        "127.9.9.9",
        "localhost",
        "LOCALHOST:9100",
        "localhost.",
        "[::1]:9",
        None,
        "",
    ],
)
def test_a_host_of_this_machine_is_answered(sandbox, host):
    with SandboxServer(sandbox) as server:
        assert status(server, "/_sandbox/", host) == 200
        assert status(server, "/health", host) == 200


def test_a_refusal_says_what_to_do(sandbox):
    with SandboxServer(sandbox) as server:
        answer = requests.get(f"{server.url}/health", headers={"Host": "craftkit"}, timeout=30)
    assert answer.json()["error"]["code"] == "forbidden"
    assert "--public-url" in answer.json()["error"]["message"]
    assert "craftkit" not in answer.text.replace("forbidden", "")


def test_the_host_of_its_public_url_is_answered(sandbox):
    sandbox = Sandbox(public_url="https://Tunnel.example:8443/craftkit")
    with SandboxServer(sandbox) as server:
        assert status(server, "/health", "tunnel.example") == 200
        assert status(server, "/health", "tunnel.example:8443") == 200
        assert status(server, "/health", "www.tunnel.example") == 403


@pytest.mark.parametrize("bound", ["0.0.0.0", "127.0.0.1"])
def test_the_address_that_a_call_came_to_is_answered(bound, monkeypatch):
    """Of a machine that others call by an address of its own."""
    monkeypatch.setattr(
        _Handler, "make_environ", lambda self: came_to("192.0.2.4", WSGIRequestHandler, self)
    )
    with SandboxServer(host=bound) as server:
        assert status(server, "/health", "192.0.2.4:9100") == 200
        assert status(server, "/health", "192.0.2.5:9100") == 403


def came_to(address, base, handler):
    return {**base.make_environ(handler), LOCAL_ADDRESS: address}


def test_the_server_tells_which_address_a_call_came_to(sandbox):
    seen = []
    answer = sandbox.service.answer

    def look(environ):
        seen.append(environ[LOCAL_ADDRESS])
        return answer(environ)

    sandbox.service.answer = look
    with SandboxServer(sandbox, host="0.0.0.0") as server:
        assert status(server, "/health", "127.0.0.1") == 200
    assert seen == ["127.0.0.1"]


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


def test_the_program_says_which_keys_it_takes_but_none_that_it_was_given():
    with program("--account-key", "ck_acct_mine") as process:
        assert process.stdout is not None
        process.stdout.readline()
        keys = process.stdout.readline()
        process.terminate()
        rest, errors = process.communicate(timeout=60)
    assert DEFAULT_KEY in keys
    assert DEFAULT_ADMIN_KEY in keys
    assert "ck_acct" not in keys + rest + errors


def test_accounts_and_the_admin_have_keys_of_their_own():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = ["--account-key", "ck_acct_a", "--account-key", "b=ck_acct_b", "--admin-key", "top"]
    sandbox = build(parser.parse_args(options))

    def projects(key: str) -> list[str]:
        listed = Api(sandbox.session(), "http://sandbox.test", key).get("/v1/projects").json()
        return [project["slug"] for project in listed["projects"]]

    assert (projects("ck_acct_a"), projects("ck_acct_b")) == (["default"], [])
    admin = Api(sandbox.session(), "http://sandbox.test", "top")
    body = {"externalOrgId": "org", "name": "Org"}
    assert admin.post("/v1/admin/provision", body).status_code == 201


def test_a_key_of_two_kinds_ends_it_with_a_word(capsys):
    assert main(["--port", "0", "--key", "same", "--admin-key", "same"]) == 1
    assert "kind" in capsys.readouterr().err


def subscribed(*arguments: str) -> dict[str, list[tuple[str, str]]]:
    """Where each project's webhooks go, and what signs them, with these options."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    keys = ("--key", "north=ck_a", "--key", "south=ck_b")
    sandbox = build(parser.parse_args([*keys, *arguments]))
    return {
        name: [(each.url, each.secret) for each in sandbox.project(name).subscriptions]
        for name in ("north", "south")
    }


URL = "http://a.example/?x=1"


@pytest.mark.parametrize(
    ("arguments", "north", "south"),
    [
        (("url", URL), [(URL, "sandbox-webhook-secret")], []),
        (("url", URL, "url", "http://b.example"), [(URL, "s"), ("http://b.example", "s")], []),
        (("url", f"south={URL}"), [], [(URL, "s")]),
        (("url", URL, "url", f"south={URL}"), [(URL, "s")], [(URL, "s")]),
        (("url", f"south={URL}", "secret", "south=own"), [], [(URL, "own")]),
        (
            ("url", URL, "url", f"south={URL}", "secret", "all", "secret", "south=own"),
            [(URL, "all")],
            [(URL, "own")],
        ),
        (("url", URL, "secret", "south=own"), [(URL, "s")], []),
        (("url", URL, "secret", "c2VjcmV0=="), [(URL, "c2VjcmV0==")], []),
        (("url", f"south={URL}", "secret", "south=c2VjcmV0=="), [], [(URL, "c2VjcmV0==")]),
    ],
)
def test_each_project_has_its_own_webhooks(monkeypatch, arguments, north, south):
    monkeypatch.setenv("CRAFTKIT_SANDBOX_WEBHOOK_SECRET", "s")
    if north[:1] == [(URL, "sandbox-webhook-secret")]:
        monkeypatch.delenv("CRAFTKIT_SANDBOX_WEBHOOK_SECRET")
    options = [f"--webhook-{word}" if word in {"url", "secret"} else word for word in arguments]

    assert subscribed(*options) == {"north": north, "south": south}


def test_a_webhook_of_a_project_that_no_key_opens_is_an_error():
    with pytest.raises(ValueError, match="no such project: 'west'"):
        subscribed("--webhook-url", "west=http://a.example")


def test_templates_are_in_a_list_and_in_a_directory_with_a_file_for_each(tmp_path):
    listed = tmp_path / "templates.json"
    listed.write_text(json.dumps([{"slug": "report", "manifest": INVOICE}]))
    files = tmp_path / "files"
    files.mkdir()
    body = {"name": "The invoice", "description": None, "manifest": INVOICE, "layout": {}}
    (files / "invoice.json").write_text(json.dumps(body))
    (files / "README.md").write_text("Not a template.")
    parser = argparse.ArgumentParser()
    add_arguments(parser)

    sandbox = build(parser.parse_args(["--templates", str(listed), "--templates", str(files)]))

    templates = sandbox.project().templates.values()
    assert {one.slug: one.name for one in templates} == {
        "report": "Report",
        "invoice": "The invoice",
    }


@pytest.mark.parametrize(
    "files", [{}, {"x.txt": "{}"}, {"x.json": "{"}, {"x.json": "[]"}, {"x.json": "{}"}]
)
def test_a_directory_without_templates_ends_it_with_a_word(tmp_path, capsys, files):
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    assert main(["--port", "0", "--templates", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("craftkit sandbox: ")


@pytest.mark.parametrize("content", ["{", "{}", "[7]", '[{"name": "x"}]', '[{"slug": "x"}]'])
def test_a_file_of_templates_that_is_none_ends_it_with_a_word(tmp_path, capsys, content):
    file = tmp_path / "templates.json"
    file.write_text(content)

    assert main(["--port", "0", "--templates", str(file)]) == 1
    assert capsys.readouterr().err.startswith("craftkit sandbox: ")


def test_a_layout_that_is_wrong_is_told_with_its_template_and_place(tmp_path, capsys):
    file = tmp_path / "templates.json"
    texts = [{"page": 1, "x": 10, "y": 101, "text": "{{sign here}}"}]
    right = {"slug": "invoice", "manifest": INVOICE}
    wrong = {"slug": "offer", "manifest": INVOICE, "layoutTexts": texts}
    file.write_text(json.dumps([right, wrong]))

    assert main(["--port", "0", "--templates", str(file)]) == 1
    told = capsys.readouterr().err
    assert "template 'offer'" in told
    assert "layoutTexts.0.y" in told
    assert "layoutTexts.0.text: Not a name: {{sign here}}" in told


@pytest.mark.parametrize("options", [[], ["--strict-anchors"]])
def test_anchors_are_strict_where_the_program_is_told_so(options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert build(parser.parse_args(options)).strict_anchors is bool(options)


def test_a_file_that_is_not_there_ends_it_with_a_word(capsys):
    assert main(["--templates", "/nowhere.json"]) == 1
    assert "/nowhere.json" in capsys.readouterr().err
