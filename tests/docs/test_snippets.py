"""Every snippet of the documentation does what it says."""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from celery.bin import beat, worker
from django.core.management import find_commands, get_commands, load_command_class
from django.template import engines

from django_craftkit.embedding import create_session, get_form_url
from django_craftkit.sandbox import Sandbox, SandboxServer, cli
from django_craftkit.sandbox.control.faults import from_json as fault_from_json
from tests.docs import pages
from tests.docs.scenes import SCENES
from tests.endurance import __main__ as endurance

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

    from tests.docs.pages import Block
    from tests.shop.models import Order

PYTHON = pages.blocks("python")


def execute(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    """Run a snippet as a module of the test project's app."""
    names |= {"__name__": f"tests.shop.documented_{block.name}", "__package__": "tests.shop"}
    # Padded, so that a traceback names the line of the page.
    exec(compile("\n" * block.line + block.text, str(block.page), "exec"), names)
    return names


@pytest.mark.parametrize(
    "block",
    [block for block in PYTHON if block.kind == "test" and block.name != "tests"],
    ids=str,
)
def test_a_snippet_does_what_it_says(block: Block, request: pytest.FixtureRequest, db: None):
    scene = SCENES[block.name](request)
    names = execute(block, next(scene))
    with pytest.raises(StopIteration):
        scene.send(names)


def readers_tests() -> list[Any]:
    return [
        pytest.param(block, node.name, id=f"{block}-{node.name}")
        for block in PYTHON
        if block.name == "tests"
        for node in ast.parse(block.text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.mark.parametrize(("block", "name"), readers_tests())
def test_a_test_of_a_reader_passes(
    block: Block, name: str, request: pytest.FixtureRequest, db: None
):
    function = execute(block, {})[name]
    names = inspect.signature(function).parameters
    function(**{name: request.getfixturevalue(name) for name in names})


def test_every_snippet_is_run_and_every_scene_is_used():
    left_out = [str(block) for block in PYTHON if not block.kind]
    assert not left_out, "Python without <!-- test: … --> or <!-- file: … --> above it"
    named = {block.name for block in PYTHON if block.kind == "test"}
    assert named == {*SCENES, "tests"}


TEMPLATES = pages.blocks("django")
DOWNLOADS = [block for block in TEMPLATES if block.page.name == "downloads.md"]
EMBEDDED = [block for block in TEMPLATES if block.page.name == "embedding.md"]


@pytest.mark.parametrize("block", DOWNLOADS, ids=str)
def test_a_template_has_addresses_that_are_opened(
    block: Block, craftkit: Any, order: Order, admin_client: Client, client: Client
):
    template = engines["django"].from_string(block.text)
    assert "<a " not in template.render({"order": order})
    order.confirmed = True
    order.save()
    craftkit.run()
    own, guests = re.findall(r'href="([^"]+)"', template.render({"order": order}))
    assert admin_client.get(own).status_code == client.get(guests).status_code == 200


@pytest.mark.parametrize("block", EMBEDDED, ids=str)
def test_a_template_shows_a_form(block: Block, craftkit: Any, order: Order):
    craftkit.put_template("delivery-note", {"variables": [], "loops": []})
    session = create_session("delivery-note", source=order)
    url = get_form_url("delivery-note", source=order, expires=60)
    context = {"session": session, "url": url, "title": "Delivery note"}
    html = engines["django"].from_string(block.text).render(context)
    assert '<iframe title="Delivery note"' in html
    assert url in html or session.reference in html


OTHERS = [one for one in TEMPLATES if one not in [*DOWNLOADS, *EMBEDDED]]


@pytest.mark.parametrize("block", OTHERS, ids=str)
def test_a_template_renders(block: Block, craftkit: Any, order: Order):
    template = engines["django"].from_string(block.text)
    before = template.render({"order": order})
    assert "craftkit-badge" not in before
    order.confirmed = True
    order.save()
    assert "craftkit-badge--pending" in template.render({"order": order})
    craftkit.run()
    from django_craftkit.models import Render

    share = Render.objects.for_object(order).get().share(wait=True)
    after = template.render({"order": order})
    assert "craftkit-badge--succeeded" in after
    assert f'href="{share.url}"' in after


SCRIPTS = [
    *(block for block in pages.blocks("js") if block.page.name == "api.md"),
    *(block for block in pages.blocks("sh") if block.kind),
]


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_a_script_is_what_the_example_runs(block: Block):
    """And tests/browser/test_booking.py and tests/example/test_ci.py run all of it."""
    assert block.kind == "file"
    assert f"\n{block.text}" in f"\n{pages.read(block.name)}"


# The installation, followed to the letter but for the ports.


@pytest.mark.timeout(400)
def test_the_installation_leads_to_a_pdf(tmp_path: Path, unused_port: int):
    page = [b for b in pages.blocks("python", "sh") if b.page.name == "installation.md"]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_"))},
        "CELERY_BROKER_URL": "memory://",
        "PYTHONWARNINGS": "default",
    }

    def run(*command: str, feed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            input=feed,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def write(name: str) -> None:
        (block,) = [block for block in page if block.name == name]
        path = tmp_path / name
        old = path.read_text() if path.name == "settings.py" else ""
        path.write_text(old + block.text.replace("127.0.0.1:9100", f"127.0.0.1:{unused_port}"))

    commands = [line for b in page if b.language == "sh" for line in b.text.splitlines()]
    assert "django-admin startproject mysite ." in commands
    run("-m", "django", "startproject", "mysite", ".")
    assert "python manage.py startapp orders" in commands
    run("manage.py", "startapp", "orders")
    for name in ("orders/models.py", "orders/craftkit.py", "mysite/settings.py", "mysite/urls.py"):
        write(name)
    # What the page does in this order.
    for line in ("makemigrations orders", "migrate"):
        assert f"python manage.py {line}" in commands
        run("manage.py", *line.split())

    (serve,) = [line for line in commands if "craftkit_sandbox" in line]
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    options = parser.parse_args(shlex.split(serve)[3:])
    with SandboxServer(cli.build(options), port=unused_port, deliver=False):
        (script,) = [block for block in page if block.name == "shell"]
        told = run("manage.py", "shell", feed=script.text)
        url = told.strip().splitlines()[-1]
        assert url.startswith(f"http://127.0.0.1:{unused_port}/share/")
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")

    write("mysite/celery.py")
    write("mysite/__init__.py")
    run(
        "-c",
        "import mysite; mysite.celery_app.loader.import_default_modules(); "
        "mysite.celery_app.tasks['craftkit.sweep']",
    )


@pytest.fixture
def unused_port() -> int:
    with SandboxServer() as server:
        return int(server.url.rpartition(":")[2])


# The shell.

LINES = [
    pytest.param(line, id=f"{block}-{line}")
    for block in pages.blocks("sh")
    for line in block.text.splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_can_be_given(line: str):
    words = shlex.split(line)
    match words:
        case ["make", *targets]:
            assert set(targets) <= set(re.findall(r"^([a-z]+):", pages.read("Makefile"), re.M))
        case ["python", "manage.py", "db_worker" | "prune_db_task_results" as name]:
            # Of an app that the suite has not installed: .ci/road.py runs them.
            assert name in find_commands(str(files("django_tasks_db") / "management"))
        case ["python", "manage.py", name, *arguments]:
            command = load_command_class(get_commands()[name], name)
            command.create_parser("manage.py", name).parse_args(arguments)
        case ["python", "-m", "django_craftkit.sandbox", *arguments]:
            parser = argparse.ArgumentParser()
            cli.add_arguments(parser)
            parser.parse_args(arguments)
        case ["python", "-m", "tests.endurance", *arguments]:
            endurance.parser().parse_args(arguments)
        case ["python", "-m", "pip", "install", "django-tasks-db"]:
            assert "django-tasks-db" in pages.read("pyproject.toml")
        case ["python", "-m", "pip", "install", requirement, *others]:
            assert others in ([], ["django-tasks-db"])
            name, _, extra = requirement.removesuffix("]").partition("[")
            project = tomllib.loads(pages.read("pyproject.toml"))["project"]
            assert name == project["name"]
            assert extra in project["optional-dependencies"]
        case ["celery", "-A", "mysite", program, *arguments]:
            command = {"worker": worker.worker, "beat": beat.beat}[program]
            known = {option for param in command.params for option in param.opts}
            assert set(arguments) <= known
        case ["curl", "-d", body, address]:
            assert address.endswith("/_sandbox/faults")
            fault_from_json(__import__("json").loads(body))
        case ["curl", "-H", header, "-d", body, address]:
            name, value = header.split(": ")
            answer = Sandbox().session().post(address, body, headers={name: value})
            assert answer.status_code == 201
        case _:
            assert line in (
                "python -m venv .venv",
                ". .venv/bin/activate",
                "django-admin startproject mysite .",
            ), f"nobody knows whether this works: {line}"
