"""The admin where a resolver knows the projects: no page asks it, none grows with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_craftkit.models import ProjectState, Render, Template
from django_craftkit.models.project import MOST_KNOWN, RESOLVED
from django_craftkit.templatetags.craftkit_admin import MOST_PAUSED
from tests.admin.conftest import address

FRONT = "/admin/craftkit/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _many(store) -> None:
    """Hundreds of projects, each of which is paused."""
    store.entries |= {f"tenant-{number:03}": {"API_KEY": "x"} for number in range(200)}
    now = timezone.now()
    ProjectState.objects.bulk_create(
        ProjectState(project=alias, paused_at=now, pause_reason=f"No credits for {alias}.")
        for alias in store.entries
    )
    for alias in ("default", RESOLVED):
        ProjectState.objects.create(
            project=alias, worker_seen_at=now, swept_at=now - timedelta(seconds=9)
        )


def test_the_front_page_tells_of_a_few_that_are_paused_and_one_worker_for_all(boss, store):
    html = boss.shows(FRONT)
    assert html.count("No credits for") == MOST_PAUSED
    assert "all of the resolver" in html
    assert html.count("worker running</span>") == 2
    assert "No worker is running" not in html
    assert (store.asked, store.listed) == ([], [])


def test_the_front_page_says_that_no_worker_runs_for_them(boss):
    long_ago = timezone.now() - timedelta(hours=1)
    ProjectState.objects.filter(project=RESOLVED).update(worker_seen_at=long_ago, swept_at=long_ago)
    assert "No worker is running for the Craftkit project “all of the resolver”" in (
        boss.shows(FRONT)
    )


@pytest.mark.parametrize("model", [Render, Template])
def test_a_list_offers_some_of_them(boss, store, model):
    html = boss.shows(address(model))
    assert html.count("?project=tenant-") + html.count("?of=tenant-") in (
        MOST_KNOWN,
        2 * MOST_KNOWN,
    )
    assert (store.asked, store.listed) == ([], [])


def test_the_list_of_projects_has_each_of_them_and_not_what_stands_for_all(boss):
    ProjectState.objects.filter(project__gt="tenant-005").delete()
    html = boss.shows(address(ProjectState))
    assert "7 projects" in html
    assert "all of the resolver" not in html.partition('id="changelist"')[2]
