"""Real workers with a key that was replaced in the store, and revoked, behind their backs."""

from __future__ import annotations

import os

import pytest
from cryptography.fernet import Fernet

from django_craftkit.models import Change, Job, Render
from tests.shop import organizations
from tests.shop.models import Organization

pytestmark = pytest.mark.timeout(400)

RESOLVER = "tests.shop.organizations.OrganizationProjects"


@pytest.mark.parametrize("celery", [True, False], ids=["celery", "craftkit_work"])
def test_a_worker_finds_the_new_key_by_itself_and_nothing_is_paused(
    sandbox, workers, settings, monkeypatch, celery
):
    monkeypatch.setenv("CREDENTIALS_KEYS", Fernet.generate_key().decode())
    workers.environment |= {
        "CREDENTIALS_KEYS": os.environ["CREDENTIALS_KEYS"],
        "CRAFTKIT_RESOLVER": RESOLVER,
    }
    settings.CRAFTKIT = {**settings.CRAFTKIT, "PROJECT_RESOLVER": RESOLVER}
    acme = Organization.objects.create(slug="acme")

    def use(key: str) -> None:
        sandbox.add_key(key, "acme")
        credentials = {"API_KEY": key, "BASE_URL": sandbox.public_url, "TIMEOUT": 2}
        Organization.objects.filter(pk=acme.pk).update(sealed=organizations.seal(credentials))

    def request(number: int) -> None:
        for one in range(number, number + 20):
            Render.objects.request("invoice", {}, project="acme", key=str(one))

    use("ck_test_old")
    request(0)
    # One process: another one would have no key yet, and meet no refusal.
    workers.start(celery=celery, pool="solo")
    workers.until(lambda: Render.objects.filter(status="succeeded").count() == 20)

    use("ck_test_new")
    sandbox.revoke_key("ck_test_old")
    request(100)
    workers.until(lambda: Render.objects.filter(status="succeeded").count() == 40)
    workers.until(lambda: not Job.objects.exists())
    assert not Change.objects.filter(kind="project").exists()
    assert len(sandbox.renders) == 40
    assert 401 in [call.status for call in sandbox.requests]
