"""The commands say what is wrong and what to do, and end with a status that tells."""

from __future__ import annotations

import re
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal
from django.utils import timezone

from django_craftkit.management.commands import craftkit_doctor
from django_craftkit.models import Job, ProjectState, Render, WebhookDelivery
from django_craftkit.projects import get_client
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.pulse import Pulse, note_worker
from django_craftkit.reconcile.sweeping import note_sweep
from tests.shop.models import Order

DAY, MINUTE = timezone.timedelta(days=1), timezone.timedelta(minutes=1)


def doctor(*arguments: str) -> tuple[str, bool]:
    out = StringIO()
    try:
        call_command("craftkit_doctor", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}{error}", False
    return out.getvalue(), True


def pause(project: str, capability: str = "", reason: str = "No.") -> None:
    now = timezone.now()
    ProjectState.objects.pause(
        project, capability, code="forbidden", reason=reason, now=now, probe_at=now
    )


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

    from django_craftkit.waking import by_celery

    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery prefers it
    down = Celery("down", broker="amqp://guest:hidden@127.0.0.1:9//", set_as_current=False)
    monkeypatch.setattr(by_celery, "celery_app", lambda: down)
    text, is_well = doctor()
    assert not is_well
    assert "mend CELERY_BROKER_URL" in text
    assert "hidden" not in text


def test_the_doctor_tells_for_which_project_no_worker_is_running(well, settings):
    settings.CRAFTKIT_PROJECTS = {
        **settings.CRAFTKIT_PROJECTS,
        "eu": settings.CRAFTKIT_PROJECTS["default"],
    }
    text, is_well = doctor()
    assert not is_well
    assert "mend  eu: a worker is running: no worker has run yet" in text
    assert "ok    default: a worker is running" in text
    ProjectState.objects.update(
        swept_at=timezone.now() - DAY, worker_seen_at=timezone.now() - MINUTE * 9
    )
    text, is_well = doctor("--project", "default")
    assert not is_well
    assert "no worker has been seen for 9 minutes" in text
    assert "craftkit_work" in text
    assert "beat is running" not in text, "nobody can know"


def test_the_doctor_takes_no_worker_for_dead_that_the_sweep_waits_behind(well):
    Render.objects.request("invoice", {"number": 1})
    well.pass_time(90)
    Loop(threads=1, wake=None, pulse=Pulse()).run()
    text, is_well = doctor()
    assert is_well, text
    assert re.search(r"a worker is running: last seen \d+ seconds ago", text)
    assert re.search(r"beat is running: last sweep (9\d|1[01]\d) seconds ago", text)


@pytest.mark.parametrize("last_sweep", [None, MINUTE * 6])
def test_the_doctor_tells_that_beat_is_not_running_beside_a_worker(well, last_sweep):
    note_worker()
    ProjectState.objects.update(swept_at=last_sweep and timezone.now() - last_sweep)
    text, is_well = doctor()
    assert not is_well
    assert "ok    default: a worker is running" in text
    assert "mend  default: beat is running" in text
    assert "beat_schedule()" in text
    assert "Start a Celery worker" not in text


def due(kind: str = "render", *, since: timezone.timedelta, project: str = "default", **more):
    number = Job.objects.count() + 1
    return Job.objects.create(
        kind=kind, object_id=number, project=project, due_at=timezone.now() - since, **more
    )


def test_the_doctor_tells_how_old_the_oldest_due_job_is(well):
    due(since=MINUTE * 3)
    text, is_well = doctor()
    assert is_well, text
    assert "the oldest due job has waited for 3 minutes" in text
    due("announce render", since=MINUTE * 16, project="")
    text, is_well = doctor()
    assert not is_well
    assert "the oldest due job has waited for 16 minutes" in text
    assert doctor("--project", "default")[1], "that job is of no project"


@pytest.mark.parametrize("waits", [{"lease_token": uuid.uuid4()}, {}], ids=["leased", "aside"])
def test_a_job_that_waits_for_no_worker_is_not_the_oldest(well, waits):
    due(since=MINUTE * 30, leased_until=timezone.now() + MINUTE, **waits)
    due(since=-MINUTE)
    assert "no job waits for a worker" in doctor()[0]


@pytest.mark.parametrize(
    ("capability", "kinds", "number"),
    [("", ["render", "email"], 2), ("email", ["email"], 1), ("signatures", ["send signature"], 1)],
)
def test_what_waits_for_a_pause_waits_for_no_worker(well, capability, kinds, number):
    for kind in kinds:
        due(kind, since=MINUTE * 30)
    pause("default", capability)
    text, is_well = doctor()
    assert not is_well
    assert f"{number} job{'s wait' if number > 1 else ' waits'} for it" in text
    assert "no job waits for a worker" in text
    ProjectState.objects.resume("default", capability, now=timezone.now())
    assert "the oldest due job has waited for 30 minutes" in doctor()[0]


def test_what_waits_for_the_setting_waits_for_no_worker(well, settings):
    settings.CRAFTKIT = {"PAUSED": True}
    due(since=MINUTE * 30)
    text, is_well = doctor()
    assert not is_well
    assert "1 job waits for it" in text
    assert "no job waits for a worker" in text
    due("announce render", since=MINUTE * 20, project="")
    assert "the oldest due job has waited for 20 minutes" in doctor()[0]


def test_what_waits_is_counted_no_further_than_anybody_reads(well, monkeypatch):
    monkeypatch.setattr("django_craftkit.reconcile.pauses.MOST", 3)
    for _ in range(5):
        due(since=MINUTE)
    pause("default")
    assert "more than 3 jobs wait for it" in doctor()[0]


@pytest.mark.parametrize("status", ["received", "failed"])
def test_the_doctor_tells_how_old_the_oldest_webhook_is(well, settings, status):
    """One that failed waits since it was due to be tried again."""
    WebhookDelivery.objects.create(
        project="default",
        delivery_id=uuid.uuid4(),
        status=status,
        body=b"{}",
        received_at=timezone.now() - DAY,
        due_at=timezone.now() - MINUTE * 12,
    )
    text, is_well = doctor()
    assert is_well, text
    assert "the oldest due webhook has waited for 12 minutes" in text
    settings.CRAFTKIT = {"OVERDUE_AFTER": 600}
    text, is_well = doctor()
    assert not is_well
    assert "no webhook waits for more than 10 minutes" in text


def test_the_doctor_tells_a_pause_and_what_is_quarantined(well, settings):
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
    for words in ("it is paused: The project is gone.", "no job is quarantined", "PAUSED"):
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


@pytest.mark.parametrize("others", [0, 1])
def test_a_template_whose_project_a_function_says_is_not_there_where_no_project_has_it(
    well, declare, event, settings, others
):
    """Where there are several projects, nobody knows which of them it names."""
    well.sandbox.state.lenient = False
    if others:
        default = settings.CRAFTKIT_PROJECTS["default"]
        settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": default}

    @declare(event, template="invoyce", key=str, project=lambda order: "default")
    def somewhere(order, **kwargs):
        return {}

    text, _ = doctor("--project", "default")
    assert ("mend  default: the template invoyce is published" in text) == (not others)
    assert ("ok    default: the template invoyce is not there" in text) == bool(others)


def test_the_doctor_tells_how_many_objects_have_no_document(well, declare, event, monkeypatch):
    monkeypatch.setattr(craftkit_doctor, "MOST_MISSING", 2)

    @declare(
        [event, Signal()], template="invoice", key=str, queryset=Order.objects.filter(total__gt=0)
    )
    def due(order, **kwargs):
        return {}

    assert "ok    what tests.management.test_commands.due is declared for" in doctor()[0]
    for expected in ("1 objects", "2 objects", "more than 2 objects"):
        order = Order.objects.create(number="1", total=1)
        assert doctor()[0].count(f"documents of the template invoice: {expected} have none") == 1
    Render.objects.request("invoice", {}, source=order)
    assert "template invoice: 2 objects have none" in doctor()[0]


def test_the_doctor_tells_a_queryset_that_raises(well, declare, event):
    def rows():
        raise LookupError("no such state")

    @declare(event, template="invoice", key=str, queryset=rows)
    def due(order, **kwargs):
        return {}

    text, is_well = doctor()
    assert not is_well
    assert "LookupError: no such state" in text


def test_the_doctor_tells_what_waits_for_a_project_that_settings_name_no_longer(well):
    pause("eu", reason="CRAFTKIT_PROJECTS has no eu.")
    assert doctor()[1], "nothing waits for it"
    for moment in (MINUTE, -MINUTE):
        due(since=moment, project="eu")
    for arguments in ([], ["--project", "eu"]):
        text, is_well = doctor(*arguments)
        assert not is_well
        assert "2 jobs wait for it" in text
        assert "it is paused: CRAFTKIT_PROJECTS has no eu." in text
        assert "eu: a worker is running" not in text
    assert doctor("--project", "default")[1]


def test_the_doctor_tells_what_waits_for_it_before_a_worker_has_paused_it(well):
    ProjectState.objects.of("eu")
    due(since=MINUTE, project="eu")
    text, is_well = doctor()
    assert not is_well
    assert "nothing waits for the project eu" in text
    assert "paused" not in text


def test_the_doctor_tells_what_waits_where_settings_name_no_project(well, settings):
    settings.CRAFTKIT_PROJECTS = {}
    due(since=MINUTE)
    text, is_well = doctor()
    assert not is_well
    assert "it names none" in text
    assert "1 job waits for it" in text
    assert "a worker is running" not in text


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
