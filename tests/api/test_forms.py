"""Forms and documents made elsewhere in the HTTP API."""

from __future__ import annotations

import pytest

from tests.admin.conftest import make_render, make_submission
from tests.shop.models import Account

pytestmark = pytest.mark.django_db

PATH = "/api/craftkit/form-submissions/"


def test_a_submission_is_listed_without_its_data_and_read_with_them(person):
    row = make_submission()
    caller = person("view_formsubmission")
    (listed,) = caller.got(PATH)["results"]
    assert (listed["id"], listed["template"], listed["source"]) == (row.pk, "handover", None)
    assert "data" not in listed
    assert caller.got(f"{PATH}{row.pk}/")["data"] == row.data


def test_ones_own_are_those_about_ones_own_objects_and_with_ones_own_documents(person, settings):
    settings.CRAFTKIT = {
        "API_QUERYSET": "django_craftkit.api.querysets.own_documents",
        "API_OWNERS": {"shop.Account": "owner"},
    }
    caller = person("view_formsubmission")
    mine = Account.objects.create(owner=caller.user)
    others = Account.objects.create(owner=person().user)
    about = make_submission(source=mine)
    of_document = make_submission(render=make_render(source=mine))
    hidden = [make_submission(source=others), make_submission()]
    hidden.append(make_submission(render=make_render(source=others)))
    assert {row["id"] for row in caller.got(PATH)["results"]} == {about.pk, of_document.pk}
    for row in hidden:
        assert caller.ask("get", f"{PATH}{row.pk}/").status_code == 404


def test_ones_own_form_does_not_tell_of_a_document_that_is_not_ones_own(person, settings):
    settings.CRAFTKIT = {
        "VISIBLE": "django_craftkit.api.querysets.own_documents",
        "API_OWNERS": {"shop.Account": "owner"},
    }
    caller = person("view_formsubmission", "view_render")
    mine, others = (Account.objects.create(owner=one) for one in (caller.user, person().user))
    shown, hidden = make_render(source=mine), make_render(source=others)
    rows = [make_submission(source=mine, render=render) for render in (hidden, shown)]
    assert [row["render"] for row in caller.got(PATH)["results"]] == [shown.pk, None]
    assert caller.got(f"{PATH}{rows[0].pk}/")["render"] is None
    assert caller.got(f"{PATH}{rows[1].pk}/")["render"] == shown.pk
    for render, found in ((shown, 1), (hidden, 0)):
        assert len(caller.got(f"{PATH}?render={render.pk}")["results"]) == found


def test_a_document_that_was_made_elsewhere_is_not_retried(person):
    render = make_render("failed", adopted_at="2026-06-05T10:00Z")
    caller = person("view_render", "retry_render")
    answer = caller.ask("post", f"/api/craftkit/renders/{render.pk}/retry/")
    assert (answer.status_code, answer.json()["code"]) == (409, "data_unknown")
