"""Both pages say which document takes the place of which, to whoever may know of the other."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from django_craftkit.models import Change, Render
from tests.admin.conftest import address, told
from tests.helpers import settle

NEW = '<a href="/admin/craftkit/render/{}/change/">i-2</a>'
OLD = '<a href="/admin/craftkit/render/{}/change/">i-1</a>'


@pytest.fixture
def both(craftkit, ready, boss) -> tuple[Render, Render]:
    return ready, ready.supersede({"number": "2"}, key="i-2", user=boss.user)


def page_of(desk, render: Render) -> str:
    return desk.shows(address(Render, "change", render.pk))


def test_before_it_is_ready(boss, both):
    old, new = both
    assert f"{NEW.format(new.pk)} is to replace it" in page_of(boss, old)
    assert f"It is to replace {OLD.format(old.pk)}" in page_of(boss, new)
    assert "replaced</span>" not in page_of(boss, old)


def test_once_it_is_ready(boss, both, craftkit):
    old, new = both
    settle(craftkit)
    page = page_of(boss, old)
    assert f"Replaced by {NEW.format(new.pk)}." in page
    assert 'craftkit-badge--quiet">replaced</span>' in page
    assert 'craftkit-badge--quiet">withdrawn</span>' not in page
    assert f"It has replaced {OLD.format(old.pk)}." in page_of(boss, new)
    assert "replaced</span>" in boss.shows(address(Render))


def test_the_history_names_the_other_and_who_it_was(boss, both, craftkit):
    old, new = both
    settle(craftkit)
    for render, steps, key in (
        (old, ("Correction requested", "Replaced by another document", "Withdrawn"), "i-2"),
        (new, ("Replaced another document",), "i-1"),
    ):
        for page in ("change", "history"):
            html = boss.shows(address(Render, page, render.pk))
            for step in steps:
                assert f'<strong>{step}</strong> <span class="craftkit-who">· boss</span>' in html
            assert f"<p>{key}</p>" in html
    listed = boss.shows(f"{address(Change)}?kind=render&object_id={old.pk}")
    assert "correction requested" in listed
    assert "replaced" in listed


def test_what_was_replaced_is_not_tried_again(boss, ready, craftkit):
    Render.objects.filter(pk=ready.pk).update(status="failed")
    ready.supersede({"number": "2"}, wait=10)
    assert f"{ready.pk}/retry/" not in page_of(boss, ready)
    response = boss.post(address(Render, "retry", ready.pk), follow=True)
    assert [level for level, _text in told(response)] == ["warning"]
    assert [level for level, _text in told(boss.act("retry", ready))] == ["warning"]
    ready.refresh_from_db()
    assert (ready.status, ready.attempt) == ("failed", 1)


def test_who_may_see_one_of_them_learns_nothing_of_the_other(staff, both, craftkit, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "guardian.backends.ObjectPermissionBackend",
    ]
    settle(craftkit)
    for one, other, text in zip(
        both,
        reversed(both),
        ("Replaced by another document.", "It has replaced another document."),
        strict=True,
    ):
        desk = staff()
        assign_perm("craftkit.view_render", desk.user, one)
        for page in ("change", "history"):
            html = desk.shows(address(Render, page, one.pk))
            assert other.key not in html
            assert f"/{other.pk}/change/" not in html
        assert text in page_of(desk, one)


def test_the_other_one_costs_one_query(boss, both, ready):
    def queries(render: Render) -> int:
        with CaptureQueriesContext(connection) as asked:
            page_of(boss, render)
        return len(asked)

    _old, new = both
    alone = Render.objects.request("invoice", {}, key="alone")
    queries(alone)
    assert queries(new) == queries(alone) + 1
    between = new.supersede({"number": "3"})
    assert between.supersedes == new
    assert queries(new) == queries(alone) + 1, "also for both"
