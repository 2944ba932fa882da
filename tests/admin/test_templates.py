"""Templates in the admin: what each takes, which documents are made of it, and a button."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from django_craftkit.models import Job, ProjectState, Render, Template

from .conftest import address, make_render, make_template, told

pytestmark = pytest.mark.django_db


def page(desk, row: Template) -> str:
    html: str = desk.shows(address(Template, "change", row.pk))
    return html


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(<td data-label.*?)</tr>", html)
    return [re.findall(r"<td[^>]*>(?:<code>)?(.*?)(?:</code>)?</td>", row) for row in rows]


class TestThePageOfATemplate:
    def test_has_a_table_of_what_it_takes(self, boss):
        html = page(boss, make_template())
        assert cells(html) == [
            ["total", "Total", "currency", "yes"],
            ["text", "What", "text", "–"],
        ]
        assert re.findall(r"<h3>(.*?)</h3>", html) == ["Variables", "Loop lines – Lines"]

    def test_says_of_one_that_is_not_published_that_it_takes_nothing(self, boss):
        row = make_template(published=False, version=None, manifest=None, json_schema=None)
        html = page(boss, row)
        assert cells(html) == []
        assert "not published" in html

    @pytest.mark.parametrize(
        "manifest",
        [
            [],
            "x",
            {"variables": "x"},
            {"variables": [1, None, {"key": 1, "label": {}, "required": "x"}], "loops": [1, "x"]},
            {"variables": [], "loops": [{"itemFields": 5}, {"key": "<b>", "itemFields": [[]]}]},
        ],
        ids=str,
    )
    def test_answers_whatever_is_in_the_manifest(self, boss, manifest):
        assert "<b>" not in page(boss, make_template(manifest=manifest))

    def test_shows_the_beginning_of_a_long_one_and_leads_to_the_whole(self, boss):
        variables = [{"key": f"k{n}", "label": "x", "dataType": "text"} for n in range(5000)]
        row = make_template(manifest={"variables": variables, "loops": []})
        html = page(boss, row)
        assert len(cells(html)) == 300
        assert f"{address(Template, 'raw', row.pk)}?of=manifest" in html

    def test_leads_to_its_documents(self, boss, staff):
        row = make_template("invoice")
        mine = make_render(template="invoice")
        make_render(template="report")
        make_render(template="invoice", project="eu")
        (url,) = re.findall(r'href="(/admin/craftkit/render/\?[^"]+)"', page(boss, row))
        listed = boss.get(url.replace("&amp;", "&")).context["cl"].result_list
        assert [one.pk for one in listed] == [mine.pk]
        assert address(Render) not in page(staff("view_template"), row)


class TestTheList:
    @pytest.mark.parametrize(
        ("state", "slug"), [("published", "a"), ("unpublished", "b"), ("gone", "c")]
    )
    def test_is_filtered_by_state(self, boss, state, slug):
        make_template("a")
        make_template("b", published=False)
        make_template("c", gone_at=timezone.now())
        listed = boss.get(address(Template), {"state": state}).context["cl"].result_list
        assert [row.slug for row in listed] == [slug]

    def test_is_searched_by_the_beginning_of_a_slug(self, boss):
        for slug in ("invoice", "invoice-2", "report"):
            make_template(slug)
        listed = boss.get(address(Template), {"q": "invo"}).context["cl"].result_list
        assert [row.slug for row in listed] == ["invoice", "invoice-2"]


class TestReadAnew:
    @pytest.fixture
    def row(self, craftkit) -> Template:
        craftkit.put_template("invoice", {"variables": [], "loops": []})
        Template.objects.refresh("default")
        craftkit.run()
        return Template.objects.get()

    def test_is_a_button_that_has_a_worker_read_them(self, staff, craftkit, row):
        desk = staff("view_template", "refresh_template")
        url = address(Template, "read-anew", row.pk)
        assert f'formaction="{url}"' in page(desk, row)
        variable = {"key": "total", "label": "Total", "dataType": "number", "required": True}
        craftkit.pass_time(1)
        craftkit.put_template("invoice", {"variables": [variable], "loops": []})
        response = desk.post(url, follow=True)
        assert [level for level, _text in told(response)] == ["success"]
        craftkit.run()
        row.refresh_from_db()
        assert (row.version, row.manifest["variables"]) == (2, [variable])

    def test_is_shown_to_who_may_have_it_done(self, staff, row):
        assert "formaction" not in page(staff("view_template"), row)
        desk = staff("view_template")
        assert desk.post(address(Template, "read-anew", row.pk)).status_code == 403
        assert not Job.objects.exists()

    def test_of_many_is_one_job_for_each_project(self, boss):
        rows = [make_template(f"t{n}", project=("default", "eu")[n % 2]) for n in range(6)]
        boss.act("read_anew", *rows)
        states = ProjectState.objects.in_bulk(Job.objects.values_list("object_id", flat=True))
        assert {state.project for state in states.values()} == {"default", "eu"}
        assert Job.objects.count() == 2

    def test_is_a_job_whose_page_names_the_project(self, boss):
        boss.act("read_anew", make_template())
        html = boss.shows(address(Job, "change", Job.objects.get().pk))
        assert "read the templates" in html
        assert address(ProjectState, "change", ProjectState.objects.get().pk) in html
