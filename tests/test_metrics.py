"""Health and metrics: what monitors are told, what it costs, and what strangers learn."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError
from django.urls import reverse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from django_craftkit import conf, metrics
from django_craftkit.clock import database_now
from django_craftkit.management.doctor import Check
from django_craftkit.models import Job, ProjectState
from django_craftkit.models.priority import Priority
from django_craftkit.prometheus import GAUGES, CraftkitCollector
from tests.admin.conftest import make_delivery, make_render, make_request
from tests.helpers import grant

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-32-characters-or-more"
HOUR = timedelta(hours=1)


def sign(project: str = "default", **moments) -> None:
    now = database_now()
    values = {"worker_seen_at": now, "swept_at": now, **moments}
    ProjectState.objects.update_or_create(project=project, capability="", defaults=values)


def due(age: timedelta, *, priority: int = Priority.SINGLE, **more) -> Job:
    values = {"kind": "render", "project": "default", "object_id": uuid.uuid4().int >> 80}
    at = database_now() - age
    return Job.objects.create(**{**values, "due_at": at, "priority": priority, **more})


@pytest.fixture(autouse=True)
def token(settings):
    settings.CRAFTKIT = {"HEALTH_TOKEN": TOKEN}


def ask(client, token: str = TOKEN, method: str = "get"):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return getattr(client, method)(reverse("craftkit:health"), headers=headers)


def problems() -> set[tuple[str, str]]:
    return {(one.check, one.project) for one in metrics.health().problems}


# The health.


def test_it_is_well_where_somebody_works(client):
    sign(webhook_heard_at=database_now() - HOUR)
    due(timedelta(seconds=5), priority=Priority.URGENT)
    answer = ask(client)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["problems"], told["paused"]) == ("ok", [], False)
    assert told["projects"]["default"].keys() == {"worker_seen", "swept", "webhook_heard", "paused"}
    assert 3600 <= told["projects"]["default"]["webhook_heard"] < 3700
    assert 5 <= told["oldest_job"]["urgent"] < 100
    assert told["oldest_job"]["bulk"] is told["oldest_webhook"] is None


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda: ProjectState.objects.all().delete(), {("worker", "default")}),
        (lambda: sign(worker_seen_at=None, swept_at=None), {("worker", "default")}),
        (lambda: sign(swept_at=database_now() - HOUR), {("beat", "default")}),
        (
            lambda: ProjectState.objects.create(
                project="default", capability="email", paused_at=timezone.now()
            ),
            {("pause", "default")},
        ),
        (lambda: due(HOUR), {("oldest_job", "")}),
        (lambda: due(HOUR, priority=Priority.UPKEEP), {("oldest_job", "")}),
        (lambda: make_delivery(due_at=database_now() - HOUR), {("oldest_webhook", "")}),
        # In hand, quarantined, waiting for its turn: these wait for no worker.
        (
            lambda: due(HOUR, leased_until=database_now() + HOUR, lease_token=uuid.uuid4()),
            set(),
        ),
        (lambda: due(HOUR, leased_until=database_now() + HOUR), set()),
        (lambda: due(-HOUR), set()),
    ],
)
def test_whatever_somebody_must_act_on_is_503(client, change, found):
    sign()
    change()
    assert problems() == found
    # By the names that the doctor has for them.
    assert {check for check, _project in found} <= set(Check)
    answer = ask(client)
    assert answer.status_code == (503 if found else 200)
    assert {(one["check"], one["project"]) for one in answer.json()["problems"]} == found


def test_what_waits_for_the_end_of_a_pause_is_not_late():
    sign(paused_at=database_now())
    due(HOUR)
    assert problems() == {("pause", "default")}


def test_the_setting_that_pauses_everything_is_told(client, settings):
    settings.CRAFTKIT |= {"PAUSED": True}
    sign()
    due(HOUR)
    told = ask(client).json()
    assert told["paused"] is True
    assert told["problems"] == [{"check": "paused_setting", "project": ""}]


@pytest.mark.parametrize("token", ["", "odd", "x" * 5000, "ü", TOKEN[:-1], f"{TOKEN}x"])
def test_strangers_are_told_nothing(client, token, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = ask(client, token)
    assert (answer.status_code, answer.content) == (404, b"")
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_no_token_opens_it(client, settings, token):
    settings.CRAFTKIT = {"HEALTH_TOKEN": token}
    for given in ("", "None", TOKEN):
        assert ask(client, given).status_code == 404
    answer = client.get(reverse("craftkit:health"), headers={"Authorization": "Bearer "})
    assert answer.status_code == 404


def test_staff_need_the_permission(client):
    sign()
    user = User.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    assert ask(client, "").status_code == 404
    grant(user, "view_projectstate")
    assert ask(client, "").status_code == 200


def test_it_is_never_cached_and_only_read(client):
    sign()
    assert "no-store" in ask(client).headers["Cache-Control"]
    assert ask(client, method="head").status_code == 200
    assert ask(client, method="post").status_code == 405


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_can_not_be_read_is_503_and_says_no_more(client, monkeypatch, error):
    def broken():
        raise error("password=hidden")

    monkeypatch.setattr("django_craftkit.health.read_health", broken)
    answer = ask(client)
    assert answer.status_code == 503
    assert answer.json() == {"status": "error", "problems": [{"check": "tables", "project": ""}]}


def test_the_token_is_shown_nowhere(settings):
    settings.CRAFTKIT = {"HEALTH_TOKEN": TOKEN, "ODD": 1}
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.options()
    frame = caught.traceback[-1].frame
    assert TOKEN not in repr(frame.f_locals)
    settings.CRAFTKIT = {"HEALTH_TOKEN": TOKEN}
    assert TOKEN not in repr(conf.options())
    settings.CRAFTKIT = {"HEALTH_TOKEN": TOKEN.encode()}
    (message,) = run_checks(tags=["craftkit"])
    assert message.id == "craftkit.E011"
    assert TOKEN not in str(message)


# The numbers.


def fill(number: int) -> None:
    for n in range(number):
        due(timedelta(seconds=n + 1), priority=n % 4)
        make_delivery(due_at=database_now())
        make_delivery(status="abandoned")
        make_request(make_render(("pending", "queued", "failed")[n % 3]))


def test_a_snapshot_counts(django_assert_max_num_queries):
    sign()
    fill(3)
    due(HOUR, leased_until=database_now() + HOUR)
    found = metrics.snapshot()
    assert found.due_jobs == {"urgent": 1, "single": 1, "bulk": 1, "upkeep": 0}
    assert found.renders == {"pending": 1, "queued": 1, "rendering": 0}
    assert found.failed_renders == found.quarantined_jobs == 1
    assert found.due_webhooks == found.abandoned_webhooks == found.open_signature_requests == 3
    assert found.overdue_renders == found.abandoned_signals == 0


def test_it_takes_the_same_queries_whatever_there_is(django_assert_num_queries):
    sign()
    for _ in range(2):
        with django_assert_num_queries(6):
            metrics.health()
        with django_assert_num_queries(7):
            metrics.snapshot()
        fill(5)
        sign("eu", paused_at=database_now())


def test_what_is_counted_ends(monkeypatch):
    monkeypatch.setattr(metrics, "MOST", 2)
    fill(6)
    assert metrics.snapshot().abandoned_webhooks == 3


def test_it_reads_where_no_project_has_a_row_yet():
    found = metrics.health()
    (project,) = found.projects
    assert (project.worker_seen, project.has_worker, found.oldest_webhook) == (None, False, None)


# Prometheus.


def test_prometheus_scrapes_what_the_database_holds(django_assert_num_queries):
    registry = CollectorRegistry(auto_describe=True)
    with django_assert_num_queries(0):
        registry.register(CraftkitCollector())
    sign()
    fill(3)
    ProjectState.objects.create(
        project="default", capability="email", paused_at=database_now() - HOUR
    )
    with django_assert_num_queries(7):
        text = generate_latest(registry).decode()
    scraped = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert {name for name, *_ in scraped} == set(GAUGES) - {"craftkit_webhook_heard_seconds"}
    assert scraped["craftkit_jobs_due", "single"] == 1
    assert scraped["craftkit_webhooks_abandoned",] == 3
    assert scraped["craftkit_paused_seconds", "default", "email"] >= 3600
    assert scraped["craftkit_paused_seconds", "default", "everything"] == 0
    assert scraped["craftkit_problems",] == 1
    assert json.dumps(list(scraped.values()))


def test_a_scrape_of_a_database_that_can_not_be_read_fails(monkeypatch):
    def broken():
        raise DatabaseError

    monkeypatch.setattr("django_craftkit.prometheus.snapshot", broken)
    registry = CollectorRegistry()
    registry.register(CraftkitCollector())
    with pytest.raises(DatabaseError):
        generate_latest(registry)
