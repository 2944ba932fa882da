"""The commands say what is wrong and what to do, and end with a status that tells."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_craftkit.models import Job, ProjectState, Render
from django_craftkit.projects import get_client
from django_craftkit.reconcile.sweeping import note_sweep

DAY = timezone.timedelta(days=1)


def doctor(*arguments: str) -> tuple[str, bool]:
    out = StringIO()
    try:
        call_command("craftkit_doctor", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}{error}", False
    return out.getvalue(), True


@pytest.fixture
def well(craftkit):
    """A project in which nothing is wrong."""
    for slug in ("invoice", "delivery-note", "report", "charter-handover"):
        craftkit.sandbox.put_any_template(slug)
    note_sweep()
    return craftkit


def test_the_doctor_finds_nothing_wrong_where_nothing_is(well):
    text, is_well = doctor()
    assert is_well, text
    assert "All is well." in text
    assert "mend" not in text


def test_the_doctor_tells_a_wrong_key(well):
    well.sandbox.revoke_key("ck_test_default")
    text, is_well = doctor()
    assert not is_well
    assert "401" in text
    assert "API keys" in text
    assert "ck_test_default" not in text


def test_the_doctor_tells_a_host_that_is_down(well):
    well.sandbox.faults.add("refused", times=None)
    text, is_well = doctor()
    assert not is_well
    assert "BASE_URL" in text


@pytest.mark.parametrize("path", ["/v1/renders/*", "/v1/templates/*"])
def test_the_doctor_takes_a_proxys_page_for_no_answer_of_craftkits(well, path):
    well.sandbox.faults.add("garbage", status=404, path=path, times=None)
    said, is_well = doctor()
    assert not is_well
    assert "mend" in said
    assert "has no such template" not in said


def test_the_doctor_tells_a_missing_key(well, settings):
    project = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {"default": {**project, "API_KEY": " "}}
    text, is_well = doctor()
    assert not is_well
    assert "has no API_KEY" in text


def test_the_doctor_tells_a_template_that_is_not_published(well):
    get_client().templates.delete("invoice")
    well.sandbox.put_template("invoice", manifest=None)
    text, is_well = doctor()
    assert not is_well
    assert "the template invoice is published: it is there, but not published" in text


def test_the_doctor_tells_missing_webhook_secrets(well, settings):
    project = settings.CRAFTKIT_PROJECTS["default"]
    settings.CRAFTKIT_PROJECTS = {"default": {**project, "WEBHOOK_SECRETS": [""]}}
    text, is_well = doctor()
    assert not is_well
    assert "every webhook is refused" in text


def test_the_doctor_tells_a_broker_that_is_down(well, monkeypatch):
    from celery import Celery

    from django_craftkit import dispatch

    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery prefers it
    down = Celery("down", broker="amqp://guest:hidden@127.0.0.1:9//", set_as_current=False)
    monkeypatch.setattr(dispatch, "celery_app", lambda: down)
    text, is_well = doctor()
    assert not is_well
    assert "mend CELERY_BROKER_URL" in text
    assert "hidden" not in text


def test_the_doctor_tells_that_nobody_is_at_work(well):
    ProjectState.objects.update(swept_at=timezone.now() - timezone.timedelta(minutes=9))
    text, is_well = doctor()
    assert not is_well
    assert re.search(r"nobody has looked for work for 5[4-9]\d seconds", text)
    ProjectState.objects.all().delete()
    assert "nobody has ever looked for work" in doctor()[0]


def test_the_doctor_tells_a_pause_and_what_is_set_aside(well, settings):
    now = timezone.now()
    ProjectState.objects.pause(
        "default", "", code="forbidden", reason="The project is gone.", now=now, probe_at=now
    )
    Job.objects.create(
        kind="render", object_id=1, project="default", due_at=now, leased_until=now + DAY
    )
    settings.CRAFTKIT = {"PAUSED": True}
    text, is_well = doctor()
    assert not is_well
    for words in ("it is paused: The project is gone.", "took several workers", "PAUSED"):
        assert words in text


def test_the_doctor_counts_what_is_due_and_has_no_job(well):
    for number in range(3):
        Render.objects.request("invoice", {"number": number})
    assert doctor()[1]
    Job.objects.filter(object_id__gt=Render.objects.first().pk).delete()
    text, is_well = doctor()
    assert not is_well
    assert "'render': 2 rows have none" in text


def test_the_doctor_looks_at_one_project_only_where_that_is_asked_for(well):
    text, is_well = doctor("--project", "eu")
    assert not is_well
    assert "no project 'eu'" in text
    assert "default: " not in text


def test_the_doctor_tells_a_declaration_whose_project_is_not_configured(well, declare, event):
    @declare(event, template="invoice", key=str, project="eu")
    def lost(order, **kwargs):
        return {}

    text, is_well = doctor()
    assert not is_well
    assert "the project eu of declarations is configured" in text
    assert "tests.management.test_commands.lost" in text
    assert __file__ in text
    assert "the project eu" not in doctor("--project", "default")[0]


def test_the_doctor_tells_which_declaration_names_a_template_that_is_not_there(
    well, declare, event
):
    well.sandbox.state.lenient = False

    @declare(event, template="invoyce", key=str)
    def misspelt(order, **kwargs):
        return {}

    text, is_well = doctor()
    assert not is_well
    assert "the template invoyce is published" in text
    assert "tests.management.test_commands.misspelt" in text


def test_the_doctor_tells_what_waits_for_a_project_that_settings_name_no_longer(well):
    now = timezone.now()
    ProjectState.objects.pause(
        "eu",
        "",
        code="not_configured",
        reason="CRAFTKIT_PROJECTS has no eu.",
        now=now,
        probe_at=now,
    )
    text, is_well = doctor()
    assert not is_well
    assert "it is paused: CRAFTKIT_PROJECTS has no eu." in text
    assert doctor("--project", "default")[1]


def test_the_loop_runs_without_celery(craftkit, settings):
    settings.CRAFTKIT = {"THREADS": 1}
    Render.objects.request("invoice", {})
    out = StringIO()
    call_command("craftkit_work", "--once", stdout=out)
    assert "carried out" in out.getvalue()
    assert Render.objects.get().status in ("queued", "succeeded")
    assert ProjectState.objects.get().swept_at is not None


def test_the_sandbox_takes_the_arguments_of_its_program():
    from django.core.management import load_command_class

    parser = load_command_class("django_craftkit", "craftkit_sandbox").create_parser(
        "manage.py", "craftkit_sandbox"
    )
    options = parser.parse_args(["--port", "0", "--key", "ck_test_mine", "--render-seconds", "2"])
    assert (options.port, options.key) == (0, ["ck_test_mine"])
