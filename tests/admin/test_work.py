"""What lies beneath: jobs, changes and projects, and what staff may do about them."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, EngagementEvent, Job, ProjectState, Render, Share
from django_craftkit.reconcile.announcements import KINDS

from .conftest import address, make_render, make_request, make_share, told

pytestmark = pytest.mark.django_db


def make_job(kind: str = "render", object_id: int = 1, **more) -> Job:
    later = timezone.now() + timedelta(days=1)
    return Job.objects.create(
        **{"kind": kind, "object_id": object_id, "project": "default", "due_at": later, **more}
    )


def make_change(kind: str = "render", object_id: int = 1, **more) -> Change:
    return Change.objects.create(
        **{
            "kind": kind,
            "object_id": object_id,
            "from_status": "queued",
            "to_status": "succeeded",
            "cause": "webhook",
            "signal": "render_succeeded",
            **more,
        }
    )


def given_up(**more) -> Change:
    receivers = {
        "shop.hear": {"attempts": 8, "error": "ValueError: no such order", "abandoned": True}
    }
    return make_change(announcement="abandoned", **{"receivers": receivers, **more})


def make_paused(project: str = "eu", **more) -> ProjectState:
    return ProjectState.objects.create(
        **{
            "project": project,
            "paused_at": timezone.now(),
            "pause_code": "credits_exhausted",
            "pause_reason": "The credits are used up.",
            "probe_at": timezone.now() + timedelta(hours=1),
            **more,
        }
    )


#: Model, what makes a row, the button's address, its name, its right, whether it was pressed.
BUTTONS = [
    pytest.param(
        Job,
        make_job,
        "take-up",
        "take_up",
        "carry_out_job",
        lambda row: row.due_at <= timezone.now(),
        id="job",
    ),
    pytest.param(
        Change,
        given_up,
        "replay",
        "replay",
        "replay_change",
        lambda row: row.announcement == "due",
        id="change",
    ),
    pytest.param(
        ProjectState,
        make_paused,
        "try-again",
        "try_again",
        "resume_projectstate",
        lambda row: row.probe_at is None,
        id="project",
    ),
]


@pytest.mark.parametrize(("model", "make", "route", "action", "right", "is_done"), BUTTONS)
class TestAButton:
    def test_does_it_and_says_so(self, staff, model, make, route, action, right, is_done):
        row = make()
        desk = staff(f"view_{model._meta.model_name}", right)
        page = address(model, "change", row.pk)
        assert f'formaction="{address(model, route, row.pk)}"' in desk.shows(page)
        response = desk.post(address(model, route, row.pk), follow=True)
        assert response.redirect_chain == [(page, 302)]
        assert [level for level, _text in told(response)] == ["success"]
        row.refresh_from_db()
        assert is_done(row)
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (desk.user, str(row.pk))
        assert entry.change_message.startswith("Asked for")

    def test_is_an_action_too(self, staff, model, make, route, action, right, is_done):
        row = make()
        desk = staff(f"view_{model._meta.model_name}", right)
        assert f'<option value="{action}">' in desk.shows(address(model))
        response = desk.act(action, row)
        assert [level for level, _text in told(response)] == ["success"]
        row.refresh_from_db()
        assert is_done(row)
        assert LogEntry.objects.get().user == desk.user

    def test_takes_its_right(self, staff, model, make, route, action, right, is_done):
        row = make()
        name = model._meta.model_name
        others = {"carry_out_job", "replay_change", "resume_projectstate"} - {right}
        desk = staff(f"view_{name}", f"change_{name}", *others)
        assert "formaction" not in desk.shows(address(model, "change", row.pk))
        assert f'value="{action}"' not in desk.shows(address(model))
        assert desk.post(address(model, route, row.pk)).status_code == 403
        desk.act(action, row)
        row.refresh_from_db()
        assert not is_done(row)
        assert not LogEntry.objects.exists()

    def test_is_no_link(self, boss, model, make, route, action, right, is_done):
        row = make()
        assert boss.get(address(model, route, row.pk)).status_code == 405
        row.refresh_from_db()
        assert not is_done(row)

    def test_is_for_staff_with_a_token(self, boss, model, make, route, action, right, is_done):
        row = make()
        assert Client().post(address(model, route, row.pk)).status_code == 302
        boss.handler.enforce_csrf_checks = True
        assert boss.post(address(model, route, row.pk)).status_code == 403
        row.refresh_from_db()
        assert not is_done(row)

    def test_of_what_is_not_there(self, boss, model, make, route, action, right, is_done):
        for pk in (10**9, "x", "9" * 40):
            assert boss.post(address(model, route, pk)).status_code == 404


@pytest.mark.parametrize("model", [Job, Change], ids=["jobs", "changes"])
class TestWhatARowIsAbout:
    def make(self, model, kind: str, object_id: int):
        return (make_job if model is Job else make_change)(kind, object_id)

    def test_is_linked(self, boss, model):
        render = make_render(key="invoice-7")
        share = make_share(make_render(key="offer-7"))
        self.make(model, "render", render.pk)
        self.make(model, "share", share.pk)
        html = boss.shows(address(model))
        assert f'<a href="{address(Render, "change", render.pk)}"' in html
        assert ">invoice-7</a>" in html
        assert f'<a href="{address(Share, "change", share.pk)}"' in html
        assert ">offer-7</a>" in html

    def test_is_a_number_for_who_may_not_see_it(self, staff, model):
        render = make_render(key="invoice-7")
        row = self.make(model, "render", render.pk)
        desk = staff(f"view_{model._meta.model_name}")
        for path in (address(model), address(model, "change", row.pk)):
            html = desk.shows(path)
            assert f"document {render.pk}" in html
            assert "invoice-7" not in html

    def test_may_be_gone_or_new_to_us(self, boss, model):
        rows = [self.make(model, "render", 10**9), self.make(model, "something new", 7)]
        assert "document 1000000000" in boss.shows(address(model))
        for row in rows:
            boss.shows(address(model, "change", row.pk))

    def test_is_found_by_number_and_by_key(self, boss, model):
        render = make_render(key="invoice-7")
        wanted = self.make(model, "render", render.pk)
        self.make(model, "render", 10**9)
        for text in (str(render.pk), "invoice-7"):
            response = boss.get(address(model), {"q": text})
            assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]

    def test_is_read_for_all_rows_at_once(self, boss, model):
        def count() -> int:
            with CaptureQueriesContext(connection) as queries:
                boss.shows(address(model))
            return len(queries)

        def make() -> None:
            render = make_render()
            self.make(model, "render", render.pk)
            self.make(model, "share", make_share(render).pk)

        make()
        count()
        few = count()
        for _ in range(15):
            make()
        assert count() == few
        assert few <= 10


class TestJobs:
    def test_have_a_name_for_every_kind_there_is(self, boss):
        assert set(KINDS) < set(Job.Kind)
        for kind, name in Job.Kind.choices:
            make_job(kind)
            assert str(name) in boss.shows(address(Job) + f"?kind={kind}")

    def test_of_engagement_are_about_the_document(self, boss):
        render = make_render(key="invoice-7")
        make_job("engagement", render.pk)
        assert f'<a href="{address(Render, "change", render.pk)}"' in boss.shows(address(Job))

    def test_that_were_set_aside_are_shown_and_taken_up(self, boss):
        aside = make_job(leased_until=timezone.now() + timedelta(days=300), error="It kills.")
        assert ">quarantined</span>" in boss.shows(address(Job))
        boss.act("take_up", aside)
        assert not Job.objects.quarantined().exists()

    def test_say_what_went_wrong_in_the_language_of_their_reader(self, boss):
        job = make_job(error_code="workers_ended", error="4")
        for path in (address(Job), address(Job, "change", job.pk)):
            assert "4 workers ended while on it." in boss.shows(path)
            response = boss.get(path, headers={"accept-language": "de"})
            assert "4 Worker endeten während der Arbeit daran." in response.content.decode()

    def test_of_several_kinds_are_taken_up_together(self, boss):
        rows = [make_job(), make_job("share"), make_job(object_id=2, project="eu")]
        assert told(boss.act("take_up", *rows)) == [("success", "3 jobs are due now.")]
        assert set(Job.objects.values_list("version", flat=True)) == {2}
        assert Job.objects.count() == 3

    def test_in_hand_stay_in_hand(self, boss):
        until = timezone.now() + timedelta(minutes=1)
        job = make_job(leased_until=until, lease_token=uuid.uuid4())
        assert ">in hand</span>" in boss.shows(address(Job))
        boss.act("take_up", job)
        job.refresh_from_db()
        assert (job.leased_until, job.version) == (until, 2)

    def test_are_sorted_by_when_they_are_due(self, boss):
        now = timezone.now()
        late, soon = (make_job(object_id=n, due_at=now + timedelta(days=3 - n)) for n in (1, 2))
        for query, rows in (("", [soon, late]), ("?o=-4", [late, soon])):
            response = boss.get(address(Job) + query)
            assert list(response.context["cl"].result_list) == rows


class TestChanges:
    def test_have_a_name_for_every_kind_there_is(self):
        assert {kind.removeprefix("announce ") for kind in KINDS} == set(Change.Kind)

    def test_say_which_receiver_failed_and_how(self, boss):
        change = given_up()
        assert ">a receiver failed</span>" in boss.shows(address(Change))
        html = boss.shows(address(Change, "change", change.pk))
        for text in ("shop.hear", "8 tries", "given up", "ValueError: no such order"):
            assert text in html

    def test_keep_to_themselves_why_somebody_has_declined(self, staff):
        request = make_request(make_render("succeeded"), "declined")
        change = make_change("signature", request.pk, to_status="declined", note="A divorce.")
        page = address(Change, "change", change.pk)
        assert "A divorce." not in staff("view_change").shows(page)
        assert "A divorce." in staff("view_change", "view_signaturerequest").shows(page)

    def test_that_nobody_gave_up_have_no_button(self, boss):
        change = make_change(announcement="done", receivers={})
        assert "formaction" not in boss.shows(address(Change, "change", change.pk))

    def test_are_announced_again(self, boss):
        change = given_up()
        boss.act("replay", change)
        change.refresh_from_db()
        assert change.receivers["shop.hear"]["attempts"] == 0
        job = Job.objects.get()
        assert (job.kind, job.object_id) == ("announce render", change.object_id)

    def test_say_how_many_could_not(self, boss):
        rows = [given_up(), make_change(announcement="done"), make_change()]
        assert told(boss.act("replay", *rows)) == [
            ("success", "The receivers of 1 change are called again."),
            (
                "warning",
                "2 changes were left as they are: no receiver of them was given up.",
            ),
        ]
        assert LogEntry.objects.count() == 1

    @pytest.mark.parametrize("receivers", [None, [], "x", {"a": None}, {"a": {"attempts": None}}])
    def test_show_whatever_was_noted(self, boss, receivers):
        change = given_up(receivers=receivers)
        boss.shows(address(Change, "change", change.pk))

    def test_of_an_event_lead_to_it(self, boss):
        event = EngagementEvent.objects.create(
            project="default", render=make_render(key="invoice-7"), type="viewed", actor="system"
        )
        make_change("engagement", event.pk)
        html = boss.shows(address(Change))
        assert f'<a href="{address(EngagementEvent, "change", event.pk)}"' in html

    @pytest.mark.parametrize("query", [{"kind": "share"}, {"announcement__exact": "abandoned"}])
    def test_can_be_filtered(self, boss, query):
        wanted = given_up(kind="share")
        make_change()
        response = boss.get(address(Change), query)
        assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]


class TestProjects:
    def test_say_what_is_paused_and_why(self, boss):
        state = make_paused(capability="email", swept_at=timezone.now())
        for path in (address(ProjectState), address(ProjectState, "change", state.pk)):
            html = boss.shows(path)
            for text in (">paused</span>", "The credits are used up.", "e-mail"):
                assert text in html

    def test_that_run_have_no_button(self, boss):
        state = ProjectState.objects.create(project="default")
        assert ">running</span>" in boss.shows(address(ProjectState))
        assert "formaction" not in boss.shows(address(ProjectState, "change", state.pk))

    def test_say_how_many_are_not_paused(self, boss):
        rows = [make_paused(), ProjectState.objects.create(project="default")]
        assert told(boss.act("try_again", *rows)) == [
            ("success", "1 project is tried again now."),
            ("warning", "1 project is not paused."),
        ]
