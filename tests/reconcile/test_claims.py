"""Claims: whoever takes a row gets it, and counts what it begins."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction
from django_craftkit.models import Job, WebhookDelivery, claims
from django_craftkit.models.claims import LeasedQuerySet, Watermark, Watermarks
from django_craftkit.models.priority import Priority
from django_craftkit.reconcile import deliveries
from django_craftkit.reconcile.updates import lock_free
from tests.helpers import TIMEOUT, at_once, elsewhere
from tests.seams import before_writing, claim, process_webhooks

LEASE = timedelta(minutes=2)
NOW = timezone.now()
URGENT, SINGLE, BULK, UPKEEP = Priority

#: Every column that a claim changes, and what a queryset may say of it before.
FILTERS = {
    "attempts": {"attempts__lt": 3},
    "no attempts": {"attempts": 2},
    "no lease": {"leased_until": None},
    "no token": {"lease_token": None},
    "project and kind": {"project": "default", "kind": "render"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_a_claim_returns_what_it_took_whatever_it_filters_by(filters):
    now = timezone.now()
    for number in range(3):
        Job.objects.create(
            kind="render", object_id=number, project="default", due_at=now, attempts=2
        )
    claimed = claim(Job.objects.filter(**filters), 2, now=now)
    assert [job.object_id for job in claimed] == [0, 1]
    rows = Job.objects.filter(lease_token__isnull=False).order_by("pk")
    assert [job.lease_token for job in rows] == [job.lease_token for job in claimed]
    assert [job.attempts for job in rows] == [job.attempts for job in claimed] == [3, 3]


@pytest.mark.django_db
@pytest.mark.parametrize("tries", range(deliveries.SUSPECT))
def test_each_try_of_a_webhook_is_made(tries):
    WebhookDelivery.objects.store("default", str(uuid.uuid4()), json.dumps({"event": "x"}).encode())
    WebhookDelivery.objects.update(attempts=tries)
    assert process_webhooks(timezone.now()) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("ignored", tries + 1)


def make_job(number: int, priority: int = SINGLE, *, ago: float = 0.0, **values: object) -> Job:
    """Make a job that is due since so many seconds."""
    fields = {
        "kind": "render",
        "object_id": number,
        "project": "default",
        "priority": priority,
        "due_at": NOW - timedelta(seconds=ago),
        **values,
    }
    return Job.objects.create(**fields)


def claimed(limit: int = 1, *, at: float = 0.0, **options: object) -> list[int]:
    """Claim, so many seconds from now, and return which objects' jobs it were."""
    now = NOW + timedelta(seconds=at)
    jobs = Job.objects.all().claim(limit, now=now, lease=LEASE, **options)
    return [job.object_id for job in jobs]


@pytest.mark.django_db
def test_the_most_urgent_go_first_and_of_a_class_the_oldest():
    for number, (priority, ago) in enumerate(
        [(UPKEEP, 9), (BULK, 8), (SINGLE, 1), (SINGLE, 2), (URGENT, 0), (BULK, 3)]
    ):
        make_job(number, priority, ago=ago)
    since = Watermark()
    assert claimed(2, since=since) == [4, 3]
    assert claimed(9, since=since) == [2, 1, 5, 0]


@pytest.mark.django_db
def test_a_class_that_nothing_was_taken_of_for_a_minute_has_its_turn():
    """Single documents come without end, and always enough of them."""
    since = Watermark()
    for number in range(9):
        make_job(number, BULK, ago=3600)
    taken = []
    for second in range(0, 150, 10):
        make_job(100 + second, SINGLE, ago=-second)
        taken += claimed(at=second, since=since)
    bulk = [number for number in taken if number < 100]
    assert bulk == [0, 1], "one a minute, however long they wait, and no more"
    assert taken.index(0) == 6


@pytest.mark.django_db
def test_urgent_work_is_overtaken_by_a_single_one_after_a_minute_and_by_upkeep_after_three():
    since = Watermark()
    make_job(1, SINGLE)
    make_job(3, UPKEEP)
    taken = []
    for second in range(0, 200, 20):
        make_job(100 + second, URGENT, ago=-second)
        taken += claimed(at=second, since=since)
    assert taken.index(1) == 3
    assert taken.index(3) == 9


@pytest.fixture
def stopwatch(monkeypatch):
    """Set how many seconds have passed, by the clock that claims pace themselves by."""
    seconds = [1000.0]
    monkeypatch.setattr(claims.time, "monotonic", lambda: seconds[0])
    return lambda passed: seconds.__setitem__(0, 1000.0 + passed)


@pytest.mark.django_db
@pytest.mark.parametrize("priority", Priority.values)
def test_a_claim_begins_where_the_one_before_found_nothing(stopwatch, priority):
    """What is done is not walked over, nor what was due before: but every few seconds."""
    since = Watermark()
    assert claimed(since=since) == []
    make_job(1, priority, ago=30)
    assert claimed(since=since) == []
    stopwatch(claims.SCAN_EVERY - 0.01)
    assert claimed(since=since) == []
    stopwatch(claims.SCAN_EVERY)
    assert claimed(since=since) == [1], "committed late, or moved back: within these seconds"


@pytest.mark.django_db
def test_what_is_committed_a_little_late_is_found_at_once():
    since = Watermark()
    assert claimed(since=since) == []
    make_job(1, ago=1.9)
    assert claimed(since=since) == [1]


@pytest.mark.django_db
def test_a_claim_begins_anew_where_other_rows_are_left_out():
    """A pause has ended: what waited for it has been due for long."""
    since = Watermark()
    make_job(1, ago=300, project="paused")
    free = Job.objects.exclude(project="paused")
    assert free.claim(1, now=NOW, lease=LEASE, since=since, excluded="paused") == []
    assert claimed(since=since, excluded="nothing") == [1]


@pytest.mark.django_db
def test_a_long_look_at_everything_is_not_taken_again_soon(stopwatch, monkeypatch):
    find = LeasedQuerySet._find

    def slowly(self, most, now, starts, *args):
        if not starts:
            stopwatch(3)
        return find(self, most, now, starts, *args)

    monkeypatch.setattr(LeasedQuerySet, "_find", slowly)
    since = Watermark()
    assert claimed(since=since) == []
    make_job(1, ago=30)
    stopwatch(3 + 3 * claims.REST - 1)
    assert claimed(since=since) == []
    stopwatch(3 + 3 * claims.REST)
    assert claimed(since=since) == [1]


@pytest.mark.django_db
@pytest.mark.parametrize("end", ["done", "reschedule", "leave"])
def test_what_was_requested_during_a_long_step_is_found_at_once(end):
    """The claims of others have passed by where it was due."""
    since = Watermark()
    make_job(1, ago=30, due_at=timezone.now() - timedelta(seconds=30))
    now = timezone.now()
    (job,) = Job.objects.all().claim(1, now=now, lease=LEASE, since=since)
    Job.objects.schedule("render", [1])
    assert Job.objects.all().claim(1, now=timezone.now(), lease=LEASE, since=since) == []
    later = (timezone.now() + timedelta(hours=1),) if end != "done" else ()
    getattr(Job.objects, end)(job, *later)
    (anew,) = Job.objects.all().claim(
        1, now=timezone.now() + timedelta(seconds=1), lease=LEASE, since=since
    )
    assert (anew.pk, anew.version) == (job.pk, 2)


@pytest.mark.django_db
def test_a_quarantined_job_that_is_asked_for_is_found_at_once():
    since = Watermark()
    then = timezone.now()
    make_job(1, due_at=then - timedelta(days=1), leased_until=then + timedelta(days=1))
    assert Job.objects.all().claim(1, now=then, lease=LEASE, since=since) == []
    Job.objects.request("render", [1])
    now = timezone.now() + timedelta(seconds=1)
    (job,) = Job.objects.all().claim(1, now=now, lease=LEASE, since=since)
    assert (job.object_id, job.priority) == (1, URGENT)


def test_each_tenant_has_marks_of_its_own(monkeypatch):
    watermarks = Watermarks()
    mine = connections[connection.alias]
    monkeypatch.setattr(mine, "schema_name", "north", raising=False)
    north = watermarks.of("jobs")
    assert watermarks.of("jobs") is north
    assert watermarks.of("inbox") is not north
    monkeypatch.setattr(mine, "schema_name", "south")
    assert watermarks.of("jobs") is not north


@pytest.fixture(params=["as it is", "repeatable read"])
def level(request, monkeypatch) -> None:
    """The level of isolation that a project has set for all that it does."""
    if request.param == "as it is":
        return
    levels = {"mysql": "repeatable read", "postgresql": 2}  # IsolationLevel.REPEATABLE_READ
    if connection.vendor not in levels:
        pytest.skip("This database has no levels.")
    monkeypatch.setitem(
        connection.settings_dict["OPTIONS"], "isolation_level", levels[connection.vendor]
    )


CLAIMERS = 4


@pytest.mark.django_db(transaction=True)
def test_claims_never_overlap_and_inserts_of_web_requests_never_wait_for_them(level):
    """Four workers claim and finish jobs; requests write three jobs each, beside other rows."""
    is_mariadb = getattr(connection, "mysql_is_mariadb", False)
    writers, requests = (2, 50) if connection.features.has_select_for_update else (1, 10)
    done: list[list[int]] = [[] for _ in range(CLAIMERS)]
    expected = writers * requests * 3

    def insert(first: int) -> None:
        if is_mariadb:
            with connection.cursor() as cursor:
                # Whoever would have to wait fails at once.
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 0")
        for number in range(first, first + requests * 3, 3):
            with transaction.atomic():
                for one in range(number, number + 3):
                    Job.objects.start("render", one, "default", one % 3)

    def process(mine: list[int]) -> None:
        since = Watermark()
        end = time.monotonic() + TIMEOUT
        while sum(map(len, done)) < expected:
            assert time.monotonic() < end, "not all of them were done"
            for job in Job.objects.all().claim(5, now=database_now(), lease=LEASE, since=since):
                mine.append(job.object_id)
                Job.objects.done(job)

    errors = at_once(
        *(partial(insert, 1000 * number) for number in range(writers)),
        *(partial(process, mine) for mine in done),
    )
    assert errors == [None] * len(errors)
    carried = sorted(number for mine in done for number in mine)
    assert len(set(carried)) == len(carried) == expected
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_locks_to_note_its_results_holds_up_no_insert(level):
    """Rows are looked for by what they are about; no gap between them is anybody's."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("This database has one writer.")
    for number in range(10):
        make_job(number)

    def request() -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "mysql":
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 0")
            else:
                cursor.execute("SET lock_timeout = '1ms'")
        Job.objects.start("render", 1000, "default", 1)

    @in_transaction
    def note() -> None:
        jobs = Job.objects.writer().filter(kind="render", object_id__in=range(9))
        assert len(lock_free(jobs)) == 9
        elsewhere(request)

    # On a connection of the level, which the one of the test may not be.
    elsewhere(note)
    assert Job.objects.filter(object_id=1000).exists()


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_gets_other_rows_while_the_first_claims(monkeypatch):
    """Of few rows, too, and where the first has not committed yet."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("This database has one writer.")
    for number in range(10):
        make_job(number)
    others: list[int] = []
    before_writing(
        monkeypatch,
        Job,
        lambda: elsewhere(lambda: others.extend(claimed(4))),
        setting="lease_token",
    )
    assert claimed(3) == [0, 1, 2]
    assert len(others) == 4
    assert min(others) >= 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL explains itself.")
def test_rows_that_are_named_are_found_by_name_whatever_statistics_say_of_the_hour():
    """Jobs that all waited when it looked make PostgreSQL think that next to none is due.

    It would look for what is due then, and walk over all that was done since it cleaned up.
    """
    now = timezone.now()
    make = partial(Job, kind="render", project="default", due_at=now + timedelta(hours=2))
    Job.objects.bulk_create(make(object_id=number) for number in range(400))
    plans: list[str] = []

    def explain(execute, sql, params, many, context):
        if sql.endswith("FOR UPDATE SKIP LOCKED"):
            cursor = context["cursor"]
            execute(f"EXPLAIN {sql}", params, many, context)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE craftkit_job")
        cursor.execute("TRUNCATE craftkit_job")
        cursor.execute("VACUUM ANALYZE craftkit_job")
        cursor.execute("SET enable_seqscan = off")
    Job.objects.bulk_create(make(object_id=number, due_at=now) for number in range(400))
    with connection.execute_wrapper(explain):
        assert claim(Job.objects.all(), 1, now=now)
    connection.close()  # the setting ends with it
    assert ["craftkit_job_pkey" in plan for plan in plans] == [True]
