"""docs/several-projects.md, as it was run: sign-up, a new key, a new webhook secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from django_craftkit import credentials
from django_craftkit.models import ProjectState, Render, WebhookDelivery
from django_craftkit.projects import get_client
from django_craftkit.sandbox import DEFAULT_ACCOUNT_KEY, SandboxServer
from django_craftkit.sandbox.core.projects import DEFAULT_ACCOUNT
from django_craftkit.webhooks.signature import sign
from tests.docs import pages
from tests.helpers import settle
from tests.shop import organizations
from tests.shop.models import Organization

if TYPE_CHECKING:
    from django.test import Client

    from tests.docs.pages import Block

pytestmark = pytest.mark.django_db(transaction=True)

FILES = [
    block
    for block in pages.blocks("python")
    if block.kind == "file" and block.page.name == "several-projects.md"
]


@pytest.mark.parametrize("block", FILES, ids=str)
def test_what_the_page_shows_is_what_runs_here(block: Block):
    assert f"\n{block.text}" in f"\n{pages.read(block.name)}"


@pytest.fixture
def acme(craftkit, own_keys, settings, monkeypatch) -> Organization:
    """Somebody who has signed up, at a Craftkit that only an account key opens."""
    monkeypatch.setenv("CREDENTIALS_KEYS", Fernet.generate_key().decode())
    monkeypatch.setenv("CRAFTKIT_ACCOUNT_KEY", DEFAULT_ACCOUNT_KEY)
    settings.CELERY_TASK_ALWAYS_EAGER = True
    settings.CRAFTKIT = {
        **settings.CRAFTKIT,
        "PROJECT_RESOLVER": "tests.shop.organizations.OrganizationProjects",
    }
    craftkit.sandbox.state.keys.add(DEFAULT_ACCOUNT_KEY, "account", DEFAULT_ACCOUNT)
    with SandboxServer(craftkit.sandbox, port=0, deliver=False) as server:
        monkeypatch.setenv("CRAFTKIT_URL", server.url)
        organization = Organization.objects.create(slug="acme")
        organizations.give_project(organization.pk)
        organization.refresh_from_db()
        yield organization


def key_of(organization: Organization) -> str:
    organization.refresh_from_db()
    return organizations.unseal(organization.sealed)["API_KEY"]


def request(number: int) -> Render:
    return Render.objects.request("invoice", {}, project="acme", key=str(number))


def statuses() -> list[str]:
    return list(Render.objects.order_by("pk").values_list("status", flat=True))


def test_an_organization_has_a_project_once_it_has_signed_up(craftkit, acme):
    assert isinstance(acme.remote_project, UUID)
    assert key_of(acme).encode() not in bytes(acme.sealed)
    assert list(credentials.project_aliases()) == ["default", "acme"]
    request(1)
    settle(craftkit)
    assert statuses() == ["succeeded"]
    assert [render.project for render in craftkit.renders] == ["acme"]


def test_a_task_that_died_before_its_row_was_written_goes_on_with_the_same_project(craftkit, acme):
    first = acme.remote_project
    Organization.objects.update(sealed=None, remote_project=None)
    organizations.give_project(acme.pk)
    acme.refresh_from_db()
    assert acme.remote_project == first
    organizations.give_project(acme.pk)
    assert len(organizations.get_account().projects.list()) == 2


def test_signing_up_gives_the_task_once_it_is_committed(acme, monkeypatch):
    given = []
    monkeypatch.setattr(organizations.give_project, "delay", given.append)
    bolt = organizations.sign_up("bolt")
    assert given == [bolt.pk]


def test_a_key_is_replaced_without_anybody_noticing(craftkit, acme):
    old = key_of(acme)
    request(1)
    settle(craftkit)
    organizations.replace_key(acme, "2027")
    assert key_of(acme) != old
    request(2)
    craftkit.sandbox.revoke_key(old)
    request(3)
    settle(craftkit)
    assert statuses() == ["succeeded"] * 3
    assert get_client("acme").templates.list() is not None
    assert not ProjectState.objects.paused().exists()


def test_a_key_that_was_revoked_too_early_pauses_and_the_new_one_resumes_by_itself(
    craftkit, acme, monkeypatch
):
    # A probe comes seconds later; the clock by which that is told stands still here.
    monkeypatch.setattr(credentials, "IN_VAIN", 0.0)
    craftkit.sandbox.revoke_key(key_of(acme))
    request(1)
    craftkit.run()
    assert statuses() == ["pending"]
    assert ProjectState.objects.paused().get().project == "acme"
    key = organizations.get_account().projects.create_key(acme.remote_project, "2027").key
    # Somebody else stores it: nobody here is told.
    sealed = organizations.seal({**organizations.unseal(acme.sealed), "API_KEY": key.reveal()})
    Organization.objects.update(sealed=sealed)
    settle(craftkit)
    assert statuses() == ["succeeded"]
    assert not ProjectState.objects.paused().exists()


def test_a_webhook_secret_is_replaced_without_a_webhook_lost(acme, client: Client, settings):
    settings.CRAFTKIT = {**settings.CRAFTKIT, "WEBHOOK_TOLERANCE": None}

    def send(secret: str) -> int:
        body = json.dumps({"event": "render.queued", "secret": secret}).encode()
        return client.post(
            "/craftkit/webhooks/acme/",
            body,
            content_type="application/json",
            headers={"X-Craftkit-Signature": sign(body, secret.encode())},
        ).status_code

    organizations.add_webhook_secret(acme, "old")
    assert [send("old"), send("new")] == [200, 401]
    organizations.add_webhook_secret(acme, "new")
    assert [send("old"), send("new")] == [200, 200]
    organizations.keep_newest_webhook_secret(acme)
    assert [send("old"), send("new")] == [401, 200]
    assert set(WebhookDelivery.objects.values_list("project", flat=True)) == {"acme"}
