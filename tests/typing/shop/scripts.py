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


def embed(craftkit: Craftkit, template_id: str) -> None:
    session = craftkit.embed.create_session(
        client.Tenant("org_123", "Acme Corp"),
        client.Actor("usr_456", "Ada Lovelace"),
        scope=client.Scope("fill", template_id=template_id),
        permissions={"submit_form": True},
        form=client.FormOptions(prefill={"customer": {"name": "Acme Corp"}}, collect=True),
    )
    session = craftkit.embed.refresh_session(session.renew_token)
    assert_type(session, client.EmbedSession)
    assert_type(session.token.reveal(), str)
    catalog = client.Catalog(
        namespaces=[client.Namespace("a", "A", [client.CatalogField("b", "B", "text")])]
    )
    assert_type(craftkit.embed.create_catalog("crm", catalog), client.PublishedCatalog)
    for render in craftkit.embed.iter_renders():
        assert_type(render, client.Render)
    guest = client.CraftkitSession(session.token, timeout=5.0, max_retries=0)
    with open("photo.png", "rb") as file:
        photo = guest.upload_image(session.id, file)
    answer = guest.submit_form(session.id, {"photo": photo.url})
    assert_type(answer.render, client.Render | None)


def manage() -> None:
    account = client.CraftkitAccount("ck_acct_1", base_url="https://craftkit.test")
    project = account.projects.create("Acme")
    assert_type(project, client.Project)
    key = account.projects.create_key(project.id, "web").key
    assert_type(Craftkit(key).health(), client.Health)
    admin = client.CraftkitAdmin(os.environ["CRAFTKIT_ADMIN_KEY"])
    provisioned = admin.provision("org_123", "Acme", email_from="a@acme.example")
    assert_type(provisioned, client.ProvisionedProject)
    assert_type(admin.update("org_123", email_from="b@acme.example"), client.PartnerSettings)
    hook = client.CraftkitHook("token", os.environ.get("CRAFTKIT_HOOK_SECRET"))
    assert_type(hook.render({"total": 42}), client.Render)


def develop() -> None:
    sandbox = Sandbox(lenient=True, render_time=0)
    with SandboxServer(sandbox) as server:
        sandbox.faults.add("status", status=503)
        assert_type(server.url, str)
        (render,) = sandbox.renders
        assert render.pdf().startswith(b"%PDF-")
        (session,) = sandbox.embed_sessions
        assert_type(sandbox.submit_form(session.id, {"guest.name": "Ada"}), Render | None)
