"""The front page and the banner: what waits, what is held up and why, at a glance."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode

from .conftest import (
    MODELS,
    NAMES,
    address,
    make_delivery,
    make_render,
    make_request,
    make_rows,
    make_share,
)

if TYPE_CHECKING:
    from django.test import RequestFactory

pytestmark = pytest.mark.django_db

FRONT = "/admin/craftkit/"
TILE = re.compile(
    r'<a class="craftkit-tile craftkit-tile--(\w+)" href="([^"]+)"><strong>([^<]*)</strong> '
    r"<span>([^<]*)</span>"
)


@pytest.fixture(params=MODELS, ids=NAMES)
def model(request):
    return request.param


@pytest.fixture
def swept():
    """A project that a worker is running for, and that somebody sweeps."""
    return ProjectState.objects.create(project="default", swept_at=timezone.now())


def signed(seen: int | None, swept: int | None) -> None:
    """Let the last signs of life be so many seconds old."""
    now = timezone.now()
    ago = {
        name: None if seconds is None else now - timedelta(seconds=seconds)
        for name, seconds in (("worker_seen_at", seen), ("swept_at", swept))
    }
    ProjectState.objects.create(project="default", **ago)


def tiles(desk) -> dict[str, tuple[str, str, str]]:
    """Return tone, address and number by the words below."""
    found = TILE.findall(desk.shows(FRONT))
    return {label: (tone, unescape(url), number) for tone, url, number, label in found}


def overdue() -> Render:
    return make_render("queued", attempted_at=timezone.now() - timedelta(days=1))


def paused(project: str = "eu", **more) -> ProjectState:
    more = {"paused_at": timezone.now(), "pause_reason": "No credits.", **more}
    return ProjectState.objects.create(project=project, **more)


def held_document() -> Render:
    paused()
    return make_render("pending", project="eu", attempted_at=timezone.now())


def held_request() -> SignatureRequest:
    paused(capability="signatures")
    return make_request(make_render(project="eu"), "pending")


def unsettled() -> Share:
    return make_share(make_render(), "unknown", error_code=ErrorCode.MAIL_UNPROVEN, by_mail=True)


def refused_mail() -> Share:
    return make_share(make_render(), "rejected", by_mail=True, recipient_email="ada@example.com")


def unknown_request() -> SignatureRequest:
    return make_request(make_render(), "sent", unknown_since=timezone.now())


def quarantined() -> Job:
    until = timezone.now() + timedelta(hours=1)
    return Job.objects.create(kind="render", object_id=1, leased_until=until)


def deaf_receiver() -> Change:
    return Change.objects.create(
        kind="render", object_id=1, to_status="failed", cause="poll", announcement="abandoned"
    )


def old(model, row, days: int = 31) -> None:
    model.objects.filter(pk=row.pk).update(updated_at=timezone.now() - timedelta(days=days))


#: What somebody must act on: how it comes about, and what leaves nothing to do.
TO_ACT_ON = {
    "project paused": [
        (paused, lambda row: ProjectState.objects.update(paused_at=None)),
        (lambda: paused(capability="email"), lambda row: ProjectState.objects.all().delete()),
    ],
    "document failed or rejected": [
        (lambda: make_render("failed"), lambda row: row.retry()),
        (lambda: make_render("rejected"), lambda row: row.retry()),
        (lambda: make_render("failed"), lambda row: row.withdraw()),
        (lambda: make_render("rejected"), lambda row: old(Render, row)),
    ],
    "document overdue": [
        (overdue, lambda row: Render.objects.update(status="succeeded")),
        (overdue, lambda row: paused("default")),
    ],
    "document held": [(held_document, lambda row: ProjectState.objects.all().delete())],
    "e-mail needs a decision": [
        (unsettled, lambda row: row.confirm_mailed()),
        (unsettled, lambda row: row.retry()),
    ],
    "e-mail rejected": [
        (refused_mail, lambda row: row.retry()),
        (refused_mail, lambda row: row.render.email(row.recipient_email, message="Again")),
        (refused_mail, lambda row: row.render.withdraw()),
        (refused_mail, lambda row: old(Share, row)),
    ],
    "link rejected": [
        (lambda: make_share(make_render(), "rejected"), lambda row: row.retry()),
        (lambda: make_share(make_render(), "rejected"), lambda row: row.render.share()),
        (lambda: make_share(make_render(), "rejected"), lambda row: row.render.withdraw()),
    ],
    "signature request declined or failed": [
        (lambda: make_request(make_render(), "rejected"), lambda row: row.retry()),
        (lambda: make_request(make_render(), "failed"), lambda row: row.render.withdraw()),
        (
            lambda: make_request(make_render(), "declined"),
            lambda row: make_request(row.render, "completed"),
        ),
        (
            lambda: make_request(make_render(), "declined"),
            lambda row: old(SignatureRequest, row),
        ),
    ],
    "signature request unknown at Craftkit": [
        (unknown_request, lambda row: row.cancel()),
        (unknown_request, lambda row: SignatureRequest.objects.update(unknown_since=None)),
    ],
    "signature request held": [(held_request, lambda row: ProjectState.objects.all().delete())],
    "job quarantined": [(quarantined, lambda row: Job.objects.request(row.kind, [row.object_id]))],
    "webhook abandoned": [
        (lambda: make_delivery(status="abandoned"), lambda row: row.replay()),
    ],
    "signal given up": [(deaf_receiver, lambda row: row.replay())],
}
CASES = [(label, *case) for label, cases in TO_ACT_ON.items() for case in cases]


def make_everything() -> None:
    now = timezone.now()
    for status in Render.Status.values:
        make_render(status, attempted_at=now)
    make_render("pending", project="eu", attempted_at=now)
    overdue()
    old(Render, make_render("failed"))
    base = make_render()
    make_render("failed", withdrawn_at=now)
    paused()
    for error_code in (ErrorCode.MAIL_UNPROVEN, ""):
        make_share(base, "unknown", error_code=error_code, by_mail=True)
    for by_mail in (True, False, False):
        make_share(make_render(), "rejected", by_mail=by_mail)
    for status in SignatureRequest.Status.values:
        make_request(make_render(), status)
    make_request(base, "pending", project="eu")
    old(SignatureRequest, make_request(make_render(), "declined"))
    unknown_request()
    for status in ("received", "processed", "failed", "abandoned"):
        make_delivery(status=status)
    quarantined()
    Job.objects.create(kind="render", object_id=2)
    for announcement in ("abandoned", "due", "abandoned"):
        Change.objects.create(
            kind="render",
            object_id=base.pk,
            to_status="failed",
            cause="poll",
            announcement=announcement,
        )


class TestTheFrontPage:
    def test_counts_what_waits_and_what_went_wrong(self, boss):
        make_everything()
        numbers = {label: (tone, number) for label, (tone, _url, number) in tiles(boss).items()}
        assert numbers == {
            "project paused": ("warn", "1"),
            "documents failed or rejected": ("bad", "2"),
            "document overdue": ("warn", "1"),
            "document held": ("warn", "1"),
            "e-mail needs a decision": ("bad", "1"),
            "e-mail rejected": ("bad", "1"),
            "links rejected": ("bad", "2"),
            "signature requests declined or failed": ("bad", "3"),
            "signature request unknown at Craftkit": ("bad", "1"),
            "signature request held": ("warn", "1"),
            "job quarantined": ("bad", "1"),
            "webhook abandoned": ("bad", "1"),
            "signals given up": ("bad", "2"),
            "documents under way": ("plain", "5"),
            "waiting for signatures": ("plain", "3"),
            "webhook waiting": ("plain", "1"),
        }

    def test_leads_to_exactly_what_it_counts(self, boss):
        make_everything()
        for label, (_tone, url, number) in tiles(boss).items():
            response = boss.get(url)
            assert response.context["cl"].result_count == int(number), label
            assert len(response.context["cl"].result_list) == int(number), label

    @pytest.mark.parametrize(("label", "make", "act"), CASES, ids=[case[0] for case in CASES])
    def test_has_a_number_for_as_long_as_somebody_must_act(self, boss, label, make, act):
        assert label not in tiles(boss)
        row = make()
        _tone, url, number = tiles(boss)[label]
        assert number == "1"
        assert [one.pk for one in boss.get(url).context["cl"].result_list] == [row.pk]
        act(row)
        assert label not in tiles(boss)
        assert boss.get(url).context["cl"].result_count == 0

    def test_has_a_case_for_each_number_that_somebody_must_act_on(self, boss):
        make_everything()
        found = {label for label, (tone, *_) in tiles(boss).items() if tone != "plain"}
        assert len(found) == len(TO_ACT_ON)

    def test_is_calm_about_nothing(self, boss):
        assert tiles(boss) == {
            "documents under way": ("calm", address(Render) + "?state=under_way", "0"),
            "waiting for signatures": ("calm", address(SignatureRequest) + "?state=open", "0"),
            "webhooks waiting": ("calm", address(WebhookDelivery) + "?status__exact=received", "0"),
        }

    def test_counts_no_further_than_anybody_reads(self, boss, monkeypatch):
        monkeypatch.setattr("django_craftkit.templatetags.craftkit_admin.MOST", 3)
        for _ in range(5):
            make_render("queued")
        assert tiles(boss)["documents under way"][2] == "3+"

    def test_writes_large_numbers_to_be_read(self, boss, monkeypatch):
        monkeypatch.setattr("django_craftkit.templatetags.craftkit_admin._count", _a_thousand)
        assert tiles(boss)["documents held"][2] == "1,000+"

    def test_says_when_a_worker_was_seen_for_each_project_and_when_it_was_swept(
        self, boss, swept, settings
    ):
        settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": {"API_KEY": "x"}}
        now = timezone.now()
        ProjectState.objects.update(
            worker_seen_at=now - timedelta(seconds=12), swept_at=now - timedelta(minutes=4)
        )
        html = boss.shows(FRONT).replace("\xa0", " ")
        assert re.search(r"seen: (1[2-9]|[2-5]\d) seconds ago; last sweep: 4 minutes ago", html)
        assert "seen: never; last sweep: never" in html
        assert html.count("worker running</span>") == 2
        assert "no worker running</span>" in html

    def test_says_what_is_paused_why_and_since_when(self, boss, swept):
        ProjectState.objects.create(
            project="default",
            capability="email",
            paused_at=timezone.now() - timedelta(hours=3),
            pause_reason="No sender.",
        )
        panel = boss.shows(FRONT).partition('id="craftkit-projects"')[2]
        assert re.search(r"e-mail, for 3\s+hours: No sender\.", panel.replace("\xa0", " "))

    def test_keeps_the_list_of_models(self, boss, model):
        assert f'href="{address(model)}"' in boss.shows(FRONT)

    def test_shows_what_the_person_may_see(self, staff):
        make_everything()
        assert set(tiles(staff("view_share"))) == {
            "e-mail needs a decision",
            "e-mail rejected",
            "links rejected",
        }
        assert set(tiles(staff("view_job"))) == {"job quarantined"}
        assert set(tiles(staff("view_projectstate"))) == {"project paused"}
        assert set(tiles(staff("view_change"))) == {"signals given up"}
        html = staff("view_share").shows(FRONT)
        assert "last sweep" not in html.partition('id="content"')[2]
        assert "last sweep" in staff("view_projectstate").shows(FRONT)
        assert staff().get(FRONT).status_code == 404

    def test_is_there_on_a_site_of_the_projects_own(self, rf: RequestFactory):
        class Site(admin.AdminSite):
            pass

        site = Site(name="admin")
        for one in (Render, Share):
            site.register(one, type(admin.site._registry[one]))
        make_everything()
        request = rf.get(FRONT)
        request.user = User.objects.create_superuser("other")
        html = site.app_index(request, "craftkit").render().content.decode()
        labels = [label for *_, label in TILE.findall(html)]
        assert labels[0] == "documents failed or rejected"
        assert "webhook waiting" not in labels

    def test_takes_ten_queries_at_most_however_much_there_is(self, staff, swept):
        desk = staff(*(f"view_{name}" for name in NAMES))
        desk.shows(FRONT)
        with CaptureQueriesContext(connection) as few:
            desk.shows(FRONT)
        make_everything()
        make_rows(20)
        with CaptureQueriesContext(connection) as many:
            desk.shows(FRONT)
        assert len(few) == len(many) <= 10


def _a_thousand(querysets):
    return [1001 for _ in querysets]


class TestTheBanner:
    @pytest.fixture
    def paused(self, swept):
        return ProjectState.objects.create(
            project="eu",
            paused_at=timezone.now() - timedelta(hours=2, minutes=1),
            pause_code="credits_exhausted",
            pause_reason="The credits are used up.",
        )

    def pages(self, model) -> list[str]:
        return [FRONT, address(model), address(model, "change", model.objects.first().pk)]

    def test_says_once_which_project_is_paused_and_why(self, boss, paused, model):
        make_rows(1)
        for path in self.pages(model):
            html = boss.shows(path)
            assert html.count("The Craftkit project “eu” has been paused for") == 1
            assert "2\xa0hours" in html
            assert "The credits are used up." in html
            assert "Nothing is lost" in html

    def test_says_what_of_a_project_is_paused(self, boss, paused):
        ProjectState.objects.update(capability="email")
        assert "“eu” has been paused (e-mail) for" in boss.shows(address(Render))

    def test_says_so_for_each_project(self, boss, paused):
        ProjectState.objects.create(project="us", paused_at=timezone.now(), pause_reason="Why.")
        html = boss.shows(address(Render))
        assert html.index("project “eu”") < html.index("project “us”")

    def test_says_that_a_setting_holds_everything(self, boss, settings):
        settings.CRAFTKIT = {"PAUSED": True}
        html = boss.shows(address(Render))
        assert html.count("Everything is held") == 1
        assert 'CRAFTKIT["PAUSED"]' in unescape(html)

    @pytest.mark.parametrize("seen", [None, 61, 86_400 * 3])
    @pytest.mark.parametrize("swept", [None, 86_400 * 3])
    def test_says_that_no_worker_is_running_and_what_to_do(self, boss, seen, swept):
        signed(seen, swept)
        html = boss.shows(address(Render))
        assert html.count("for the Craftkit project “default”") == 1
        assert "No worker " in html
        assert "craftkit_work" in html
        if seen == 86_400 * 3:
            assert "the last one was seen 3\xa0days ago" in html

    def test_says_so_where_there_has_never_been_one(self, boss):
        assert "No worker has run for the Craftkit project “default” yet" in boss.shows(FRONT)

    @pytest.mark.parametrize("swept", [None, 301, 86_400 * 3])
    def test_says_that_nothing_sweeps_beside_a_worker(self, boss, swept):
        signed(3, swept)
        html = boss.shows(address(Render))
        assert html.count("for the Craftkit project “default”") == 1
        assert "nothing sweeps: " in html
        assert "No worker" not in html
        assert "craftkit_work" not in html

    @pytest.mark.parametrize("seen", [None, 3, 20])
    def test_calls_no_worker_dead_whose_work_the_sweep_waits_behind(self, boss, seen):
        """Without its own sign it is one of an earlier version."""
        signed(seen, 200 if seen else 20)
        assert "craftkit-banner" not in boss.shows(address(Render))

    def test_goes_by_the_clock_of_the_database(self, boss, swept, monkeypatch):
        ahead = timezone.now() + timedelta(hours=1)
        monkeypatch.setattr("django_craftkit.clock.moment", lambda value: ahead)
        assert "No worker is running" in boss.shows(address(Render))

    def test_takes_a_capability_for_no_project(self, boss, swept):
        ProjectState.objects.update(capability="email")
        assert "No worker has run" in boss.shows(address(Render))

    @pytest.mark.parametrize("secrets", [None, [], [""], "a string", [7]])
    def test_says_which_project_has_no_webhook_secret(self, boss, swept, settings, secrets):
        settings.CRAFTKIT_PROJECTS = {"default": {"API_KEY": "x", "WEBHOOK_SECRETS": secrets}}
        html = boss.shows(address(Render))
        assert "The Craftkit project “default” has no webhook secret" in html
        assert "a string" not in html

    def test_is_not_there_while_all_is_well(self, boss, swept):
        for path in (FRONT, address(Render), address(Render, "change", make_render().pk)):
            assert "craftkit-banner" not in boss.shows(path)

    def test_stays_out_of_other_apps(self, boss, paused):
        assert "has been paused" not in boss.shows("/admin/auth/user/")

    def test_takes_one_query(self, boss, swept, paused):
        path = address(WebhookDelivery)
        boss.shows(path)
        with CaptureQueriesContext(connection) as queries:
            boss.shows(path)
        told = [query["sql"] for query in queries if "projectstate" in query["sql"]]
        assert len(told) == 1
