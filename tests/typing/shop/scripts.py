"""The client by itself, and the sandbox."""

from __future__ import annotations

import os
from typing import assert_type

from django_craftkit import client
from django_craftkit.client import Craftkit, CraftkitError
from django_craftkit.projects import get_client
from django_craftkit.sandbox import Render, Sandbox, SandboxServer


def fetch() -> None:
    craftkit = Craftkit(os.environ["CRAFTKIT_API_KEY"])
    render = craftkit.renders.render("invoice", {"total": 42}, idempotency_key="invoice-2026-005")
    render = craftkit.renders.get(render.id)
    assert_type(render, client.Render)
    if render.status == "succeeded":
        with craftkit.renders.download(render.id) as pdf, open("invoice.pdf", "wb") as file:
            for chunk in pdf:
                file.write(chunk)
    for template in get_client("default").templates.list():
        print(template.slug, template.current_version_number)  # noqa: T201
    try:
        share = craftkit.shares.create(render.id, message="Your invoice")
    except CraftkitError as error:
        if error.proves_inaction:
            raise
        for one in craftkit.shares.list(render.id):
            assert_type(one, client.Share)
    else:
        assert_type(share, client.Share)


def develop() -> None:
    sandbox = Sandbox(lenient=True, render_time=0)
    with SandboxServer(sandbox) as server:
        sandbox.faults.add("status", status=503)
        assert_type(server.url, str)
        (render,) = sandbox.renders
        assert render.pdf().startswith(b"%PDF-")
        (session,) = sandbox.embed_sessions
        assert_type(sandbox.submit_form(session.id, {"guest.name": "Ada"}), Render | None)
