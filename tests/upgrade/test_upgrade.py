"""What was asked for under an earlier version is neither made nor sent again under this one.

The dumps are of version 1eae407; ``fill.py`` says how they were made.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections

from django_craftkit.models import Job, Render, Share, SignatureRequest, WebhookDelivery
from django_craftkit.testing import Kit
from tests.upgrade import calls
from tests.upgrade.craft import restore, totals

if TYPE_CHECKING:
    from collections.abc import Iterator

DUMPS = Path(__file__).parent / "dumps"


@pytest.fixture
def earlier(django_db_blocker: Any, tmp_path: Path) -> Iterator[None]:
    """Be connected to a database as an earlier version left it."""
    wrapper = connections["default"]
    own = wrapper.settings_dict["NAME"]
    vendor = wrapper.vendor
    name = f"test_earlier_{uuid.uuid4().hex}"
    with django_db_blocker.unblock():
        if vendor == "sqlite":
            name = str(tmp_path / name)
        else:
            _on_server(f"CREATE DATABASE {name}")
        wrapper.close()
        wrapper.settings_dict["NAME"] = name
        ContentType.objects.clear_cache()
        try:
            _load((DUMPS / f"{vendor}.sql").read_text(), vendor)
            call_command("migrate", verbosity=0)
            yield
        finally:
            wrapper.close()
            wrapper.settings_dict["NAME"] = own
            ContentType.objects.clear_cache()
            if vendor != "sqlite":
                _on_server(f"DROP DATABASE {name}")


def _on_server(statement: str) -> None:
    with connections["default"]._nodb_cursor() as cursor:
        cursor.execute(statement)


def _load(dump: str, vendor: str) -> None:
    with connection.cursor() as cursor:
        match vendor:
            case "sqlite":
                cursor.execute("PRAGMA foreign_keys = OFF")
                cursor.executescript(dump)
            case "postgresql":
                cursor.execute(dump)
            case _:
                for statement in dump.split(";\n"):
                    if statement.strip():
                        cursor.execute(statement)
    connection.close()  # and with it what the dump has set for its own sake


@pytest.fixture
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DUMPS / f"{connection.vendor}.json").read_text())
    return found


@pytest.fixture
def kit(earlier: None, record: dict[str, Any], settings: Any) -> Iterator[Kit]:
    """Craftkit as it was then, a minute later."""
    settings.CRAFTKIT_PROJECTS = {"default": {}, "eu": {}}
    with Kit(settings) as kit:
        kit.pass_time(record["left_at"] - time.time())
        restore(kit.sandbox, record["calls"], record["ids"])
        kit.pass_time(60)
        yield kit


def rows() -> dict[str, set[Any]]:
    """Return what rows are known by, at Craftkit too."""
    return {
        "documents": set(Render.objects.values_list("pk", "key", "key_hash", "attempt")),
        "links": set(Share.objects.values_list("pk", "key", "key_hash")),
        "requests": set(SignatureRequest.objects.values_list("pk", "key", "key_hash", "attempt")),
    }


@pytest.mark.parametrize("first", ["the calls", "the work"])
def test_nothing_is_made_or_sent_again(kit, record, first):
    before = rows()
    if first == "the work":
        work(kit)
    calls.repeat()
    work(kit)
    assert totals(kit.sandbox) == record["in_the_end"]
    after = rows()
    assert (after["documents"], after["links"]) == (before["documents"], before["links"])
    # Those of a declaration are written once its data are built.
    assert before["requests"] <= after["requests"]
    assert not Render.objects.exclude(status="succeeded").exists()
    assert set(Share.objects.values_list("status", flat=True)) == {"active", "revoked"}
    assert set(SignatureRequest.objects.values_list("status", flat=True)) <= {"sent", "viewed"}
    assert not Share.objects.filter(by_mail=True, mailed_at=None).exists()
    assert not Job.objects.exclude(kind="poll signatures").exists()


def work(kit: Kit) -> None:
    for _ in range(12):
        kit.run()
        kit.pass_time(150)


def test_what_was_open_comes_to_its_end(kit):
    work(kit)
    for request in SignatureRequest.objects.exclude(render__withdrawn_at__isnull=False):
        kit.sign(request)
    work(kit)
    assert set(SignatureRequest.objects.values_list("status", flat=True)) == {"completed"}
    base = calls.base()
    assert base.withdraw()
    work(kit)
    assert not base.shares.exclude(status="revoked").exists()
    assert all(share.revoked for share in kit.shares if share.render_id == str(base.remote_id))


def test_a_link_that_was_found_at_craftkit_is_still_nobody_s_to_hand_out(kit):
    base = calls.base()
    found = base.shares.get(message="by hand")
    assert found.is_found
    assert found.pk not in Share.objects.to_hand_out().values_list("pk", flat=True)
    work(kit)
    assert Share.objects.filter(render=base, message="by hand").count() == 1


def test_a_body_that_no_version_can_read_is_kept(kit):
    """It is one of a form, and says nothing of its session."""
    kit.run()
    kit.pass_time(timedelta(days=400).total_seconds())
    call_command("craftkit_prune", verbosity=0)
    (delivery,) = WebhookDelivery.objects.filter(error_code="body_unreadable")
    assert json.loads(bytes(delivery.body))["event"] == "form.submitted"


def test_the_way_back_and_forth_keeps_what_rows_are_known_by(kit, record):
    before = rows()
    call_command("migrate", "craftkit", "0003", verbosity=0)
    call_command("migrate", "craftkit", verbosity=0)
    assert rows() == before
    calls.repeat()
    work(kit)
    assert totals(kit.sandbox) == record["in_the_end"]
