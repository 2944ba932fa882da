"""What a visitor of one tenant's site has opens nothing at another's, of the same primary key."""

from __future__ import annotations

import hmac
import uuid
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser
from django.test import override_settings
from django.urls import reverse

from django_craftkit import badges, clock, tenants
from django_craftkit.checks import check_settings
from django_craftkit.embedding import get_form_url
from django_craftkit.embedding.references import Reference
from django_craftkit.models import ArchivedFile, Render, WebhookDelivery
from django_craftkit.models.archive import ArchiveWrite, archive_storage
from django_craftkit.models.downloading import GuestLink
from django_craftkit.models.leftovers import delete_files
from tests.tenants.schemas.conftest import NAMES

if TYPE_CHECKING:
    from django_craftkit.testing import Kit


FORM = "application/x-www-form-urlencoded"


class Visitor(Browser):
    """Leaves the tenant after each request, as the end of a process's request does."""

    def request(self, **request: Any) -> Any:
        try:
            return super().request(**request)
        finally:
            connection.set_schema_to_public()


def at(name: str) -> Visitor:
    return Visitor(headers={"host": f"{name}.testserver"})


@pytest.fixture(autouse=True)
def _hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]


@pytest.fixture
def twins(craftkit: Kit) -> dict[str, Render]:
    """A document of each tenant that is ready; their primary keys are the same."""
    found = {}
    for name in NAMES:
        with tenants.enter(name):
            found[name] = Render.objects.request("invoice", {"tenant": name}, key="i-1")
            craftkit.run()
            found[name].refresh_from_db()
            assert found[name].status == "succeeded"
    assert len({render.pk for render in found.values()}) == 1
    return found


def test_a_guests_link_opens_its_own_tenants_document_alone(twins):
    for name, render in twins.items():
        # Even where they were requested in the same microsecond.
        Render.objects.none()
        with tenants.enter(name):
            Render.objects.update(requested_at=twins["alpha"].requested_at)
            render.refresh_from_db()
            url = reverse("craftkit:guest_download", args=[GuestLink.to(render, 60).token])
        answers = {other: at(other).get(url).status_code for other in NAMES}
        assert answers == {other: 200 if other == name else 404 for other in NAMES}


def test_a_badge_is_refreshed_at_its_own_tenants_site_alone(twins):
    with tenants.enter("alpha"):
        token = badges.token_of(twins["alpha"])
    form = {"data": urlencode({"token": token}), "content_type": FORM}
    url = reverse("craftkit:statuses")
    answers = {name: at(name).post(url, **form).json() for name in NAMES}
    assert [name for name, known in answers.items() if known] == ["alpha"]


def test_a_forms_link_opens_at_its_own_tenants_site_alone(craftkit: Kit):
    with tenants.enter("alpha"):
        url = get_form_url("charter", expires=60)
    answers = {name: at(name).get(url).status_code for name in NAMES}
    assert answers["alpha"] != 404
    assert (answers["beta"], answers["gamma"]) == (404, 404)


def test_a_page_renews_its_own_tenants_session_alone():
    from django.core.signing import BadSignature

    with tenants.enter("alpha"):
        token = Reference(1, "", (), 0).token
        assert Reference.read(token).row == 1
    with tenants.enter("beta"), pytest.raises(BadSignature):
        Reference.read(token)


def test_a_webhook_is_stored_in_the_tenant_of_its_host(craftkit: Kit, settings: Any):
    body, secret = b"{}", settings.CRAFTKIT_PROJECTS["default"]["WEBHOOK_SECRETS"][0]
    url = reverse("craftkit:webhook", args=["default"])
    headers = {
        "x-craftkit-signature": hmac.new(secret.encode(), body, "sha256").hexdigest(),
        "x-craftkit-timestamp": str(int(clock.seconds())),
        "x-craftkit-delivery-id": str(uuid.uuid4()),
    }
    answer = at("gamma").post(url, body, content_type="application/json", headers=headers)
    assert answer.status_code == 200, answer.content
    counts = {}
    for name in NAMES:
        with tenants.enter(name):
            counts[name] = WebhookDelivery.objects.count()
    assert counts == {"alpha": 0, "beta": 0, "gamma": 1}


# Files


def test_a_file_that_another_tenants_row_vouches_for_stays():
    """As after a tenant was made as a copy of another, rows and all."""
    storage = archive_storage()
    names = [storage.save(f"craftkit/{n}.pdf", ContentFile(b"%PDF")) for n in range(2)]
    with tenants.enter("beta"):
        ArchivedFile.objects.create(kind="render", object_id=1, name=names[0], size=4)
    with tenants.enter("alpha"):
        ArchiveWrite.objects.create(kind="render", object_id=1, name=names[0])
        assert delete_files(names) == set()
    assert [storage.exists(name) for name in names] == [True, False]


def test_no_file_is_deleted_while_a_tenant_cannot_be_asked(monkeypatch):
    storage = archive_storage()
    name = storage.save("craftkit/1.pdf", ContentFile(b"%PDF"))
    monkeypatch.setattr(tenants, "names", lambda: [*NAMES, "away"])
    with tenants.enter("alpha"):
        assert delete_files([name]) == {name}
    assert storage.exists(name)


# Commands


def call(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command(*args, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_a_command_works_in_all_tenants_in_those_named_or_in_its_own():
    for name in NAMES:
        assert f"{name}:" in call("craftkit_prune", "--dry-run")
    assert "beta:" not in call("craftkit_prune", "--dry-run", "--tenant", "beta")
    said = call("craftkit_prune", "--dry-run", "--tenant", "beta", "--tenant", "gamma")
    assert ("alpha:" in said, "beta:" in said, "gamma:" in said) == (False, True, True)
    with tenants.enter("alpha"):
        assert "beta:" not in call("craftkit_prune", "--dry-run")
    with pytest.raises(CommandError, match="no tenant 'no'"):
        call("craftkit_prune", "--tenant", "no")


def test_a_person_is_erased_in_the_tenant_that_is_named(twins):
    with pytest.raises(CommandError, match="--tenant NAME"):
        call("craftkit_erase", "--address", "ada@example.com", "--no-input")
    for name in NAMES:
        with tenants.enter(name):
            Render.objects.get().email("ada@example.com", recipient_name="Ada")
    call("craftkit_erase", "--address", "ada@example.com", "--no-input", "--tenant", "beta")
    left = {}
    for name in NAMES:
        with tenants.enter(name):
            left[name] = Render.objects.get().shares.get().recipient_email
    assert left == {"alpha": "ada@example.com", "beta": "", "gamma": "ada@example.com"}


def test_the_worker_without_celery_serves_all_or_those_named(craftkit: Kit):
    for name in NAMES:
        with tenants.enter(name):
            Render.objects.request("invoice", {}, key="i-1")
    assert _sent() == []
    call("craftkit_work", "--once", "--tenant", "beta")
    assert _sent() == ["beta"]
    call("craftkit_work", "--once")
    assert _sent() == list(NAMES)


def _sent() -> list[str]:
    found = []
    for name in NAMES:
        with tenants.enter(name):
            found += [name] * Render.objects.exclude(remote_id=None).count()
    return found


# Settings


def ids() -> set[str | None]:
    return {found.id for found in check_settings()} & {"craftkit.E024", "craftkit.E025"}


def test_checks_say_what_to_set(settings: Any):
    assert ids() == set()
    with override_settings(CRAFTKIT={}):
        assert ids() == {"craftkit.E025"}
    with override_settings(CRAFTKIT={"TENANTS": "builtins.dict"}):
        assert ids() == {"craftkit.E024"}
    with override_settings(
        CRAFTKIT={}, TENANT_APPS=[one for one in settings.TENANT_APPS if "craftkit" not in one]
    ):
        assert ids() == set()


@override_settings(SHARED_APPS=["django_craftkit"])
def test_the_shared_schema_is_a_tenant_where_it_has_the_tables():
    assert tenants.names() == [*NAMES, "public"]
    assert tenants.has("public")
