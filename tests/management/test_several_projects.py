"""The doctor and ``craftkit_sync`` where a resolver knows the projects, and there may be many."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_craftkit import credentials
from django_craftkit.clock import database_now
from django_craftkit.models import Job, ProjectState, Render
from django_craftkit.reconcile.pulse import note_worker
from django_craftkit.reconcile.sweeping import note_sweep
from tests.management.test_commands import doctor
from tests.resolvers import PATH

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(craftkit, settings, store):
    """A hundred projects of the resolver's."""
    default = settings.CRAFTKIT_PROJECTS["default"]
    for number in range(100):
        alias = f"tenant-{number}"
        craftkit.sandbox.add_key(f"ck_test_{number}", alias)
        store.entries[alias] = {**default, "API_KEY": f"ck_test_{number}"}
    note_worker()
    note_sweep()
    return store


def test_the_doctor_looks_at_the_first_few_and_says_how_many_there_are(many):
    text, is_well = doctor()
    assert is_well
    assert f"{PATH} lists its projects: 100" in text
    looked_at = [line.split(":")[0].split()[-1] for line in text.splitlines() if "key is" in line]
    assert looked_at == ["default", *(f"tenant-{number}" for number in range(5))]
    assert "all of the resolver: a worker is running" in text
    assert len({alias for alias, _thread in many.asked}) == 5


def test_the_doctor_looks_at_a_project_that_is_named(many):
    text, is_well = doctor("--project", "tenant-99")
    assert is_well
    assert "tenant-99: the key is accepted" in text
    assert "all of the resolver: a worker is running" in text
    assert "default" not in text
    assert many.listed == []
    assert {alias for alias, _thread in many.asked} == {"tenant-99"}


def test_the_doctor_tells_of_paused_projects_that_it_does_not_look_at(many):
    now = database_now()
    for number in range(50, 70):
        ProjectState.objects.pause(
            f"tenant-{number}", "", code="x", reason="No key.", now=now, probe_at=now
        )
    text, is_well = doctor()
    assert not is_well
    assert "20 are, such as tenant-50: No key." in text
    assert text.count("No key.") == 5
    text, is_well = doctor("--project", "tenant-60")
    assert not is_well
    assert "it is paused: No key." in text


def test_the_doctor_tells_of_a_resolver_that_is_down_and_looks_at_the_others(many, caplog):
    def down() -> None:
        raise ConnectionError("vault:s3cret@host")

    many.before = down
    text, is_well = doctor()
    assert not is_well
    assert f"{PATH} could not list its projects: ConnectionError." in text
    assert "default: the key is accepted" in text
    assert "s3cret" not in text + caplog.text
    text, is_well = doctor("--project", "tenant-1")
    assert not is_well
    assert "could not tell of the project 'tenant-1'" in text


def test_the_doctor_says_of_a_project_that_is_gone_what_waits_for_it(many):
    Render.objects.request("invoice", {}, project="tenant-1")
    ProjectState.objects.of("tenant-1")
    del many.entries["tenant-1"]
    credentials.forget()
    text, is_well = doctor("--project", "tenant-1")
    assert not is_well
    assert "knows a project 'tenant-1'" in text
    assert "nothing waits for the project tenant-1" in text


def sync(*arguments: str) -> str:
    out = StringIO()
    call_command("craftkit_sync", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_sync_asks_about_all_projects_or_those_that_are_named(craftkit, many):
    for alias in ("tenant-1", "tenant-2"):
        Render.objects.request("invoice", {}, project=alias)
    craftkit.sandbox.render_time = 600.0
    craftkit.run()
    Job.objects.filter(kind=Job.Kind.TEMPLATES).delete()
    asked = "documents under way"
    assert f"1 {asked}" in sync("--project", "tenant-1", "--dry-run")
    assert f"2 {asked}" in sync("--dry-run")
    assert f"1 {asked}" in sync("--project", "tenant-2")


def test_sync_refuses_a_project_that_there_is_not(many):
    with pytest.raises(CommandError, match="nobody"):
        sync("--project", "nobody")

    def down() -> None:
        raise ConnectionError

    many.before = down
    with pytest.raises(CommandError, match="--project"):
        sync()
