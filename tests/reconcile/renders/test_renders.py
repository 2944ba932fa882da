"""One document in Craftkit, one row here, the right status, whatever happens on the way."""

from __future__ import annotations

import json
import time
import uuid
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.utils import timezone

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.models import Change, Job, KeyConflict, ProjectState, Render, RenderFailed
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.renders import poll
from django_craftkit.reconcile.renders.poll import poll_delay
from django_craftkit.reconcile.renders.send import wire_key
from django_craftkit.webhooks.signature import sign
from tests.helpers import settle
from tests.reconcile.helpers import logged
from tests.seams import (
    apply_to_render,
    before_sending,
    before_writing,
    claim,
    finish,
    put_back,
    step_fails,
    when_waiting,
)
from tests.shop.models import Order

POST = {"method": "POST", "path": "/v1/templates/*/render"}
GET = {"method": "GET", "path": "/v1/renders/*"}


def ask(number: str = "1", **options: object) -> Render:
    return Render.objects.request("invoice", {"number": number}, key=f"i-{number}", **options)


def test_a_document_is_followed_by_polling_where_no_webhook_comes(craftkit, silent):
    craftkit.sandbox.render_time = 90.0
    render = ask()
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    changes = Change.objects.filter(kind="render").values_list("to_status", "cause")
    assert list(changes)[-1] == ("succeeded", "poll")


def test_polls_begin_fast_and_grow_slow():
    assert [poll_delay(age) for age in (0, 1, 10, 29)] == [1, 2, 5, 5]
    assert poll_delay(600) == 100
    assert poll_delay(10**6) == 900


def test_the_first_poll_waits_where_webhooks_have_been_heard_of_lately(craftkit):
    ask("1")
    craftkit.run()
    craftkit.sandbox.render_time = 600.0
    ask("2")
    craftkit.run()
    job = Job.objects.get()
    assert job.due_at - timezone.now() > timedelta(seconds=10)


def test_ten_minutes_of_a_wrong_key_lose_nothing(craftkit):
    asked = [ask(str(number)) for number in range(5)]
    craftkit.sandbox.revoke_key("ck_test_default")
    for _ in range(60):
        craftkit.run()
        craftkit.pass_time(10)

    assert {render.status for render in Render.objects.all()} == {"pending"}
    state = ProjectState.objects.get()
    assert state.paused_at is not None
    assert "401" in state.pause_reason
    assert len(craftkit.sandbox.requests) < 30

    craftkit.sandbox.add_key("ck_test_default", "default")
    craftkit.pass_time(60)
    craftkit.run()

    assert {render.status for render in Render.objects.all()} == {"succeeded"}
    assert len(craftkit.renders) == len(asked)
    assert not ProjectState.objects.paused().exists()


def test_a_project_without_a_key_waits_for_one(craftkit, settings):
    render = ask()
    projects = settings.CRAFTKIT_PROJECTS
    settings.CRAFTKIT_PROJECTS = {"default": {**projects["default"], "API_KEY": ""}}
    craftkit.run()
    assert "API_KEY" in ProjectState.objects.get().pause_reason

    settings.CRAFTKIT_PROJECTS = projects
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_a_paused_project_holds_up_no_other(craftkit, settings):
    settings.CRAFTKIT_PROJECTS = {
        **settings.CRAFTKIT_PROJECTS,
        "eu": {**settings.CRAFTKIT_PROJECTS["default"], "API_KEY": ""},
    }
    mine, theirs = ask("1"), ask("2", project="eu")
    craftkit.run()
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.status, theirs.status) == ("succeeded", "pending")
    assert [state.project for state in ProjectState.objects.paused()] == ["eu"]


def test_everything_can_be_held_by_a_setting(craftkit, settings):
    settings.CRAFTKIT = {"PAUSED": True}
    render = ask()
    craftkit.run()
    assert craftkit.sandbox.requests == []
    settings.CRAFTKIT = {}
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_what_is_held_by_a_setting_is_not_probed_either(craftkit, settings):
    craftkit.sandbox.revoke_key("ck_test_default")
    ask()
    craftkit.run()
    asked = len(craftkit.sandbox.requests)
    settings.CRAFTKIT = {"PAUSED": True}
    craftkit.pass_time(3600)
    craftkit.run()
    assert len(craftkit.sandbox.requests) == asked


def test_wrong_data_are_rejected_with_craftkits_words_for_each_field(craftkit):
    craftkit.put_template(
        "invoice",
        {
            "variables": [
                {"key": "customer.name", "label": "Name", "dataType": "text", "required": True},
                {"key": "number", "label": "Number", "dataType": "text", "required": True},
            ],
            "loops": [],
        },
    )
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("rejected", "invalid_input_data")
    assert list(render.field_errors) == ["customer.name"]

    assert render.retry(data={"number": "1", "customer": {"name": "Ada"}})
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.attempt, render.field_errors) == ("succeeded", 2, {})
    assert len(craftkit.renders) == 1


def test_a_template_that_is_not_published_rejects_the_document(craftkit):
    craftkit.sandbox.put_template("invoice", manifest=None)
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("rejected", "no_published_version")


def test_a_failed_document_is_retried_as_a_new_one(craftkit):
    craftkit.sandbox.faults.add("render_failed", message="The font is missing.")
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.error) == ("failed", "The font is missing.")
    with pytest.raises(RenderFailed, match="The font is missing"):
        render.open()

    assert render.retry()
    assert not render.retry(), "a double click starts one attempt"
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, render.attempt, render.error) == ("succeeded", 2, "")
    assert len(craftkit.renders) == 2


def test_what_is_left_of_an_earlier_attempt_is_ignored(craftkit):
    craftkit.sandbox.faults.add("render_failed", message="No.")
    render = ask()
    craftkit.run()
    first = craftkit.sandbox.renders[0]
    render.refresh_from_db()
    render.retry()
    craftkit.sandbox.render_time = None
    craftkit.run()
    for delivery in craftkit.sandbox.deliveries:
        craftkit._send(delivery.subscription.url, delivery.body, _signed_anew(delivery))
    craftkit.run()
    render.refresh_from_db()
    assert str(render.remote_id) != first.id
    assert render.status == "queued"


def _signed_anew(delivery) -> dict[str, str]:
    return {
        "x-craftkit-signature": sign(delivery.body, delivery.subscription.secret.encode()),
        "x-craftkit-timestamp": str(int(timezone.now().timestamp())),
        "x-craftkit-delivery-id": str(uuid.uuid4()),
    }


def test_the_same_key_gets_the_same_document(craftkit):
    assert ask() == ask()
    with pytest.raises(KeyConflict):
        Render.objects.request("receipt", {"number": "1"}, key="i-1")
    order = Order.objects.create(number="1")
    with pytest.raises(KeyConflict, match="another object"):
        Render.objects.request("invoice", {"number": "1"}, key="i-1", source=order)
    assert Render.objects.count() == 1


def test_keys_that_differ_in_case_are_two(craftkit):
    one = Render.objects.request("invoice", {}, key="a-1")
    other = Render.objects.request("invoice", {}, key="A-1")
    assert one != other


def test_without_a_key_what_it_is_about_is_the_key(craftkit):
    order, another = Order.objects.create(number="1"), Order.objects.create(number="2")
    assert Render.objects.request("invoice", {"a": 1}, source=order) == Render.objects.request(
        "invoice", {"a": 2}, source=order
    )
    assert Render.objects.request("invoice", {"a": 1}, source=another).source == another
    assert Render.objects.request("invoice", {"a": 1, "b": 2}) == Render.objects.request(
        "invoice", {"b": 2, "a": 1}
    )
    assert list(Render.objects.for_object(order).values_list("source_id")) == [(str(order.pk),)]


@pytest.mark.parametrize("data", [[], "x", {"x": float("nan")}, {"x": "\0"}, {"x": object()}])
def test_data_that_are_no_json_are_refused_on_the_spot(db, data):
    with pytest.raises((TypeError, ValueError)):
        Render.objects.request("invoice", data)
    assert not Render.objects.exists()


def test_a_project_that_is_not_configured_is_refused_on_the_spot(db):
    with pytest.raises(conf.UnknownProject, match="'nowhere'"):
        ask(project="nowhere")


def test_the_key_on_the_wire_is_another_one_for_each_attempt_and_database(craftkit):
    render = ask()
    first = wire_key(render)
    assert len(first) == 64
    render.attempt = 2
    assert wire_key(render) != first
    render.attempt = 1
    ProjectState.objects.update(namespace=uuid.uuid4())
    assert wire_key(render) != first


def test_a_key_that_was_used_before_this_row_was_stops_as_used_elsewhere(craftkit):
    render = ask()
    craftkit.run()
    Render.objects.all().delete()
    craftkit.pass_time(3600)
    again = ask()
    Render.objects.update(attempted_at=timezone.now() + timedelta(hours=1))
    craftkit.run()
    again.refresh_from_db()
    assert again.pk != render.pk
    assert (again.status, again.error_code) == ("rejected", "key_used_elsewhere")


def test_a_document_that_craftkit_does_not_know_is_shown_and_never_dropped(craftkit, silent):
    craftkit.sandbox.render_time = 600.0
    render = ask()
    craftkit.run()
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **GET)
    craftkit.pass_time(30)
    craftkit.run()
    render.refresh_from_db()
    assert render.status == "queued"
    assert "404" in Job.objects.get().error


def test_an_answer_about_another_document_changes_nothing(craftkit, silent):
    craftkit.sandbox.render_time = 60.0
    render = ask()
    craftkit.run()
    other = {
        "id": str(uuid.uuid4()),
        "status": "succeeded",
        "createdAt": "2026-06-05T10:00:00.000Z",
    }
    craftkit.sandbox.faults.add("status", status=200, body=json.dumps(other), times=1, **GET)
    craftkit.pass_time(5)
    craftkit.run()
    render.refresh_from_db()
    assert render.status in ("queued", "rendering")
    settle(craftkit)


def test_a_status_that_is_new_to_us_is_kept_and_not_final(craftkit, silent):
    craftkit.sandbox.render_time = 60.0
    render = ask()
    craftkit.run()
    render.refresh_from_db()
    body = (
        f'{{"id": "{render.remote_id}", "status": "archived", '
        '"createdAt": "2026-06-05T10:00:00.000Z"}'
    )
    craftkit.sandbox.faults.add("status", status=200, body=body, times=1, **GET)
    craftkit.pass_time(5)
    craftkit.run()
    render.refresh_from_db()
    assert render.answer["status"] == "archived"
    assert not render.is_final
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_neither_link_nor_token_of_a_document_is_stored(craftkit):
    ask()
    craftkit.run()
    stored = str(list(Render.objects.values()))
    assert "downloadUrl" not in stored
    assert "pollUrl" not in stored


def test_work_that_takes_its_workers_with_it_is_quarantined_and_shown(craftkit, caplog):
    ask()
    Job.objects.update(attempts=4)
    craftkit.run()
    job = Job.objects.quarantined().get()
    assert (job.error_code, job.error) == ("workers_ended", "4")
    assert logged(caplog, "reconcile.single") == [("ERROR", (str(job), 4))]
    assert craftkit.sandbox.requests == []

    Render.objects.get().refresh()
    craftkit.run()
    assert Render.objects.get().status == "succeeded"


def test_a_mistake_of_ours_is_logged_shown_and_tried_again(craftkit, caplog):
    render = ask()
    with step_fails("render", ZeroDivisionError("oops")):
        craftkit.run()
    assert "ZeroDivisionError: oops" in Job.objects.get().error
    assert [level for level, _args in logged(caplog, "reconcile.results")] == ["ERROR"]
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_a_request_that_comes_while_its_job_is_leased_is_not_lost(craftkit):
    render = ask()
    (job,) = claim(Job.objects.all(), now=timezone.now())
    Job.objects.schedule("render", [render.pk], "default")
    finish(job)
    left = Job.objects.get()
    assert (left.version, left.lease_token) == (2, None)
    assert left.due_at <= timezone.now()


def test_who_lost_the_lease_no_longer_decides(craftkit):
    ask()
    now = timezone.now()
    (late,) = claim(Job.objects.all(), now=now, lease=timedelta(seconds=1))
    (taken_over,) = claim(Job.objects.all(), now=now + timedelta(seconds=2))
    finish(late)
    put_back(late, now + timedelta(days=1))
    job = Job.objects.get()
    assert (job.lease_token, job.attempts) == (taken_over.lease_token, 2)


def test_waiting_returns_the_document_or_says_why_not(craftkit, monkeypatch):
    when_waiting(monkeypatch, craftkit.pass_time)
    assert ask("1").wait().open().read().startswith(b"%PDF-")
    craftkit.sandbox.faults.add("render_failed", message="No ink.")
    with pytest.raises(RenderFailed, match="No ink"):
        ask("2").wait()
    craftkit.sandbox.render_time = None
    with pytest.raises(TimeoutError, match=r"0\.1 s"):
        ask("3").wait(timeout=0.1)
    craftkit.sandbox.render_time = 0.0
    assert ask("4", wait=True).status == "succeeded"


def test_waiting_ends_at_once_where_the_project_is_paused(craftkit):
    craftkit.sandbox.revoke_key("ck_test_default")
    with pytest.raises(TimeoutError, match="401"):
        ask().wait(timeout=30)
    assert len(craftkit.sandbox.requests) == 1


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "lost"])
def test_no_transaction_is_open_while_the_network_is_used(craftkit, monkeypatch, lost):
    depths = []
    base = len(connection.savepoint_ids)
    for method in ("POST", "GET", "DELETE"):
        before_sending(
            monkeypatch, "", lambda: depths.append(len(connection.savepoint_ids)), method, None
        )
    render = ask()
    early = render.share(key="early")
    craftkit.run()
    asked = len(depths)
    if lost:
        craftkit.sandbox.faults.add("cut_after", times=2, method="POST")
    shares = [render.share(), render.email("ada@example.com")]
    settle(craftkit)
    assert len(depths) >= asked + (4 if lost else 2)
    before = len(depths)
    for share in [early, *shares]:
        share.revoke()
    settle(craftkit)
    assert len(depths) >= before + 3
    assert set(depths) == {base}


def test_a_loop_that_is_told_to_stop_leaves_the_rest(craftkit):
    ask()
    loop = Loop(threads=1, wake=None)
    loop.stop()
    assert loop.run() == 0
    assert Job.objects.filter(attempts=0).exists()


@pytest.mark.parametrize("version", [0, -1, 2**40, "1", True])
def test_a_version_that_is_none_is_refused_before_the_first_query(db, version):
    with pytest.raises(ValueError, match="version"):
        ask(version=version)
    assert not Render.objects.exists()


def test_a_pinned_version_is_the_one_that_is_rendered(craftkit):
    manifest = {"variables": [], "loops": []}
    craftkit.put_template("invoice", manifest)
    craftkit.put_template("invoice", manifest)
    ask(version=1)
    craftkit.run()
    assert craftkit.sandbox.renders[0].version.number == 1


def test_polls_go_by_the_moment_craftkit_accepted(craftkit, silent):
    """A request that waited out a pause is not taken for a document that renders slowly."""
    craftkit.sandbox.revoke_key("ck_test_default")
    render = ask()
    craftkit.run()
    craftkit.pass_time(7200)
    craftkit.sandbox.add_key("ck_test_default", "default")
    craftkit.sandbox.render_time = 10.0
    craftkit.pass_time(60)
    craftkit.run()
    for _ in range(5):
        craftkit.pass_time(6)
        craftkit.run()
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_a_worker_that_is_about_to_be_ended_is_not_held_up(craftkit):
    ask()
    with step_fails("render", SoftTimeLimitExceeded()), pytest.raises(SoftTimeLimitExceeded):
        craftkit.run()
    assert Job.objects.get().lease_token is not None, "whoever comes next takes it over"
    settle(craftkit)
    assert Render.objects.get().status == "succeeded"


def test_a_late_failure_of_a_builder_does_not_reject_what_another_worker_has_sent(craftkit):
    craftkit.sandbox.render_time = None
    render = ask()
    craftkit.run()
    late = {"error": "LookupError", "error_code": "builder_failed"}
    assert apply_to_render(render, "rejected", Change.Cause.HERE, **late) is None
    render.refresh_from_db()
    assert (render.status, render.error) == ("queued", "")


def seconds_to_the_first_question(craftkit, key: str) -> float:
    Render.objects.request("invoice", {"number": key}, key=key)
    # While it is run, time stands still.
    asked_at = database_now()
    craftkit.run()
    seconds = (Job.objects.get(kind="render").due_at - asked_at).total_seconds()
    settle(craftkit)
    return seconds


def test_the_first_question_comes_when_documents_of_a_template_are_usually_ready(craftkit, silent):
    craftkit.sandbox.render_time = 8.0
    assert seconds_to_the_first_question(craftkit, "1") == pytest.approx(1.0, abs=0.5)
    assert seconds_to_the_first_question(craftkit, "2") == pytest.approx(8.9, abs=0.5)
    before = len(craftkit.sandbox.requests)
    seconds_to_the_first_question(craftkit, "3")
    assert len(craftkit.sandbox.requests) == before + 2
    poll.forget()
    poll.recall()
    assert seconds_to_the_first_question(craftkit, "4") == pytest.approx(8.9, abs=0.5)


@pytest.mark.django_db
def test_what_is_usual_of_many_templates_is_forgotten_one_by_one(
    monkeypatch, django_assert_num_queries
):
    now = database_now()

    def took(template: str, seconds: float = 8.0) -> Render:
        accepted_at = now - timedelta(seconds=seconds)
        return Render(template=template, accepted_at=accepted_at, completed_at=now)

    monkeypatch.setattr(poll, "MOST_TEMPLATES", 3)
    poll.forget()
    poll.recall()
    for template in ("a", "b", "c", "a", "d"):
        poll.learn(took(template))
    waits = {one: poll.first_poll(took(one), None, now, 0.0) for one in "abcd"}
    assert [one for one, seconds in waits.items() if seconds > 8] == ["a", "c", "d"]
    with django_assert_num_queries(0):
        poll.recall()


def test_the_first_question_counts_from_craftkits_answer_however_late_it_is_noted(
    craftkit, silent, monkeypatch
):
    craftkit.sandbox.render_time = 20.0
    seconds_to_the_first_question(craftkit, "1")
    before_writing(monkeypatch, Render, lambda: time.sleep(1.0), setting="accepted_at")
    assert seconds_to_the_first_question(craftkit, "2") == pytest.approx(21.1, abs=0.3)


def test_the_first_question_waits_less_where_documents_always_take_as_long(craftkit, silent):
    craftkit.sandbox.render_time = 20.0
    waits = [seconds_to_the_first_question(craftkit, str(number)) for number in range(20)]
    assert waits[1] == pytest.approx(22.1, abs=0.3)
    assert waits[19] == pytest.approx(20.1, abs=0.3)
    # What takes as long as it likes is asked about a tenth later, and no more than that.
    craftkit.sandbox.render_time = 5.0
    seconds_to_the_first_question(craftkit, "sooner")
    assert seconds_to_the_first_question(craftkit, "then") == pytest.approx(18.8, abs=0.3)
