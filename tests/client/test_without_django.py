"""The client needs requests, and neither Django nor what else the app needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from django_craftkit.sandbox import (
    DEFAULT_ACCOUNT_KEY,
    DEFAULT_ADMIN_KEY,
    DEFAULT_KEY,
    Sandbox,
    SandboxServer,
)
from tests.docs import pages

if TYPE_CHECKING:
    from pathlib import Path

#: Of docs/client.md: what is only for projects.
IN_PROJECTS = {"get_client"}
#: Runs snippets one after the other, as a script of a reader's who calls a sandbox.
SCRIPT = """
import functools, json, os, sys

# Whatever imports one of these finds that it is not installed.
for name in ("django", "celery", "rest_framework"):
    sys.modules[name] = None

from django_craftkit import client

for name, kind in list(vars(client).items()):
    if isinstance(kind, type) and issubclass(kind, client.Client) and kind is not client.Client:
        setattr(client, name, functools.partial(kind, base_url=os.environ["URL"]))

names, first = {"template_id": os.environ["TEMPLATE"]}, {}
for snippet in json.load(sys.stdin):
    # Each goes on with the client and the document of the first one.
    names |= first
    exec(snippet, names)
    first = first or {name: names[name] for name in ("craftkit", "render")}
print(first["render"].status)
assert not [name for name in sys.modules if name.startswith("django.")]
"""


def test_what_the_docs_show_runs_without_django(tmp_path: Path) -> None:
    sandbox = Sandbox(render_time=0)
    template = sandbox.put_any_template("invoice")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told = [
        block.text
        for block in pages.blocks("python")
        if pages.name_of(block.page) == "docs/client.md" and block.name not in IN_PROJECTS
    ]
    with SandboxServer(sandbox) as server:
        environment = {
            "URL": server.url,
            "TEMPLATE": template.id,
            "CRAFTKIT_API_KEY": DEFAULT_KEY,
            "CRAFTKIT_HOOK_TOKEN": template.hook.token,
            "CRAFTKIT_HOOK_SECRET": template.hook.secret,
            "CRAFTKIT_ACCOUNT_KEY": DEFAULT_ACCOUNT_KEY,
            "CRAFTKIT_ADMIN_KEY": DEFAULT_ADMIN_KEY,
            "PYTHONPATH": str(pages.ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | environment,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            input=json.dumps(told),
            text=True,
        )
    assert (done.stdout, done.stderr) == ("succeeded\n", "")
    assert len(told) == 7
    assert (tmp_path / "invoice.pdf").read_bytes() == sandbox.renders[0].pdf()
