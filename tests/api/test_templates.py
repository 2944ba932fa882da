"""Templates over HTTP: read by whoever may, and made by nobody."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.admin.conftest import make_template

from .conftest import fields_of

pytestmark = pytest.mark.django_db


def test_a_template_is_read_by_its_slug_with_what_it_takes(person):
    row = make_template("invoice")
    shown = person("view_template").got("templates/invoice/")
    assert (shown["slug"], shown["project"], shown["version"]) == ("invoice", "default", 1)
    assert shown["manifest"] == row.manifest
    assert shown["json_schema"] == row.json_schema


def test_a_list_leaves_out_what_each_takes(person, django_assert_num_queries):
    for n in range(20):
        make_template(f"t-{n}")
    caller = person("view_template")
    with django_assert_num_queries(10, exact=False) as queries:
        shown = caller.got("templates/")["results"]
    assert [row["slug"] for row in shown] == [f"t-{n}" for n in reversed(range(20))]
    assert not any("manifest" in row for row in shown)
    assert not [one for one in queries.captured_queries if "json_schema" in one["sql"]]


def test_a_project_says_whose_templates_are_meant(person):
    make_template("invoice", name="Ours")
    make_template("invoice", name="Theirs", project="eu")
    make_template("report", project="eu")
    caller = person("view_template")
    assert caller.got("templates/invoice/")["name"] == "Ours"
    assert caller.got("templates/invoice/?project=eu")["name"] == "Theirs"
    caller.got("templates/report/", 404)
    listed = caller.got("templates/?project=eu")["results"]
    assert {row["project"] for row in listed} == {"eu"}
    assert len(caller.got("templates/")["results"]) == 3


def test_what_is_gone_is_not_listed_and_says_so_of_itself(person):
    make_template("invoice", gone_at=timezone.now())
    caller = person("view_template")
    assert caller.got("templates/")["results"] == []
    assert caller.got("templates/invoice/")["is_gone"] is True


def test_what_is_not_published_takes_nothing(person):
    make_template("draft", published=False, version=None, manifest=None, json_schema=None)
    shown = person("view_template").got("templates/draft/")
    assert (shown["published"], shown["version"], shown["manifest"]) == (False, None, None)


@pytest.mark.parametrize("slug", ["no-such", "NO", "a%20b", "x" * 121])
def test_no_other_slug_is_there(boss, slug):
    assert boss.ask("get", f"templates/{slug}/").status_code == 404


@pytest.mark.parametrize("project", ["%00", "x" * 999, "é"])
def test_any_project_may_be_asked_for(boss, project):
    make_template("invoice")
    for path in ("templates/", "templates/invoice/"):
        response = boss.ask("get", f"{path}?project={project}")
        assert response.status_code in (200, 400, 404)


def test_nobody_makes_or_changes_one(boss):
    make_template("invoice")
    for method in ("post", "put", "patch", "delete"):
        response = boss.ask(method, "templates/invoice/", {"name": "x"})
        assert response.status_code == 405
        assert fields_of(response) == []


def test_those_whose_documents_are_narrowed_see_all_templates(person, settings):
    settings.CRAFTKIT = {
        "API_QUERYSET": "django_craftkit.api.querysets.own_documents",
        "API_OWNERS": {"auth.User": "pk"},
    }
    make_template("invoice")
    caller = person("view_template")
    assert [row["slug"] for row in caller.got("templates/")["results"]] == ["invoice"]
    caller.got("templates/invoice/")
