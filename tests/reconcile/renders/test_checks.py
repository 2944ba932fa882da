"""Data are checked against the template before they are sent, and nothing hangs on the check."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils.translation import override

from django_craftkit.models import Render, RenderFailed, Template
from django_craftkit.models.problems import ErrorCode
from django_craftkit.projects import get_client
from django_craftkit.reconcile.renders import checks
from tests.helpers import settle

MANIFEST = {
    "variables": [
        {"key": "customer.name", "label": "Name", "dataType": "text", "required": True},
        {"key": "total", "label": "Total", "dataType": "currency"},
    ],
    "loops": [
        {
            "key": "lines",
            "label": "Lines",
            "itemFields": [{"key": "price", "label": "Price", "dataType": "number"}],
        }
    ],
}
OTHER = {
    "variables": [{"key": "due", "label": "Due", "dataType": "date", "required": True}],
    "loops": [],
}
GOOD = {"customer": {"name": "Ada"}, "total": "4.20", "lines": [{"price": 1}]}
BAD = {"customer": {}, "total": "much", "lines": [{"price": 1}, {"price": "one"}]}
FOUND = {"customer.name": "required", "total": "not_a_number", "lines.1.price": "not_a_number"}


@pytest.fixture(autouse=True)
def _warns_anew(monkeypatch):
    monkeypatch.setattr(checks, "_WARNED", set())


@pytest.fixture
def known(craftkit):
    """The template is there, and has been read."""
    craftkit.put_template("invoice", MANIFEST)
    read(craftkit)


def read(craftkit) -> None:
    Template.objects.refresh()
    craftkit.run()


def posts(craftkit) -> int:
    return sum(call.method == "POST" for call in craftkit.sandbox.requests)


def codes(render: Render) -> dict[str, str]:
    return {path: one["code"] for path, (one,) in render.field_errors.items()}


def test_data_that_fit_are_sent_without_a_look_at_craftkit(craftkit, known):
    before = len(craftkit.sandbox.requests)
    render = Render.objects.request("invoice", GOOD)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.field_errors) == ("succeeded", {})
    since = [call.path for call in craftkit.sandbox.requests[before:]]
    assert "/v1/templates/invoice" not in since


@pytest.mark.parametrize("number", [1, 3])
def test_data_that_do_not_fit_are_refused_before_they_are_sent_all_at_once(craftkit, known, number):
    renders = [Render.objects.request("invoice", BAD, key=str(n)) for n in range(number)]
    good = Render.objects.request("invoice", GOOD)
    settle(craftkit)
    for render in renders:
        render.refresh_from_db()
        assert (render.status, render.error_code) == ("rejected", "invalid_input_data")
        assert codes(render) == FOUND
        assert set(render.errors) == set(FOUND)
    good.refresh_from_db()
    assert (good.status, posts(craftkit)) == ("succeeded", 1)
    with pytest.raises(RenderFailed) as told:
        renders[0].wait()
    for path in FOUND:
        assert path in str(told.value)


def test_the_one_item_that_is_wrong_is_found_in_five_megabytes(craftkit, known):
    lines = [{"price": number, "note": "x" * 475} for number in range(9_999)]
    data = {**GOOD, "lines": [*lines, {"price": "one"}]}
    assert len(json.dumps(data)) > 5_000_000
    render = Render.objects.request("invoice", data)
    settle(craftkit)
    render.refresh_from_db()
    assert codes(render) == {"lines.9999.price": "not_a_number"}
    assert (render.status, posts(craftkit)) == ("rejected", 0)


def test_what_is_refused_here_craftkit_refuses_too(craftkit, known):
    here = Render.objects.request("invoice", BAD, key="here")
    settle(craftkit)
    Template.objects.all().delete()
    there = Render.objects.request("invoice", BAD, key="there")
    settle(craftkit)
    here.refresh_from_db()
    there.refresh_from_db()
    assert (there.status, there.error_code) == (here.status, here.error_code)
    assert set(there.field_errors) == set(here.field_errors)


def test_they_are_refused_no_more_once_the_template_takes_them(craftkit, known):
    craftkit.put_template("invoice", {"variables": [], "loops": []})
    render = Render.objects.request("invoice", BAD)
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"
    craftkit.pass_time(120)
    settle(craftkit)
    assert Template.objects.get(slug="invoice").version == 2, "what was known was out of date"


@pytest.mark.parametrize("what", ["unpublished", "deleted", "not read", "another version"])
def test_what_cannot_be_judged_is_left_to_craftkit(craftkit, known, what):
    slug, version = "invoice", None
    if what == "unpublished":
        slug = "draft"
        craftkit.sandbox.put_template(slug, manifest=None)
        Template.objects.update(slug=slug)
    elif what == "deleted":
        get_client("default").templates.delete("invoice")
    elif what == "not read":
        path = "/v1/templates/invoice"
        craftkit.sandbox.faults.add("status", status=500, method="GET", path=path, times=None)
    else:
        version = 7
    render = Render.objects.request(slug, BAD, version=version)
    settle(craftkit)
    render.refresh_from_db()
    assert posts(craftkit) == 1
    # A lenient Craftkit makes up what is not there, and takes anything.
    assert render.status == ("succeeded" if what == "deleted" else "rejected")


@pytest.mark.parametrize("strict", [False, True])
def test_a_key_that_the_template_has_not_is_logged_or_refused(
    craftkit, known, settings, caplog, strict
):
    settings.CRAFTKIT = {"STRICT_DATA": strict}
    for key in ("a", "b"):
        Render.objects.request("invoice", {**GOOD, "secret": "x"}, key=key)
    settle(craftkit)
    expected = "rejected" if strict else "succeeded"
    assert {render.status for render in Render.objects.all()} == {expected}
    told = [one for one in caplog.records if one.name == "django_craftkit.reconcile.renders.checks"]
    if strict:
        assert codes(Render.objects.first()) == {"secret": "unknown_key"}
        assert not told
    else:
        (one,) = told
        assert one.levelname == "WARNING"
        assert "unknown_key" in one.getMessage()


def test_a_check_that_raises_stops_no_document(craftkit, known, monkeypatch, caplog):
    def raises(*args: object, **options: object) -> None:
        raise RecursionError("Ada")

    monkeypatch.setattr(checks, "check", raises)
    render = Render.objects.request("invoice", GOOD)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, posts(craftkit)) == ("succeeded", 1)
    assert any("could not be checked" in record.getMessage() for record in caplog.records)


def test_a_template_that_is_published_anew_after_the_check_is_craftkits_to_judge(
    craftkit, known, monkeypatch
):
    def then(renders: Any) -> set[int]:
        found = unfit(renders)
        craftkit.put_template("invoice", OTHER)
        monkeypatch.setattr(checks, "unfit", unfit)
        return found

    unfit = checks.unfit
    monkeypatch.setattr(checks, "unfit", then)
    render = Render.objects.request("invoice", GOOD)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("rejected", "invalid_input_data")
    assert (set(render.field_errors), posts(craftkit)) == ({"due"}, 1)
    assert Template.objects.get(slug="invoice").version == 2, "it was read anew"


def test_a_key_that_is_wrong_pauses_the_project_and_decides_nothing(craftkit, known):
    path = "/v1/templates/invoice"
    craftkit.sandbox.faults.add("status", status=401, code="unauthorized", method="GET", path=path)
    render = Render.objects.request("invoice", BAD)
    craftkit.run()
    render.refresh_from_db()
    assert (render.status, posts(craftkit)) == ("pending", 0)
    settle(craftkit)
    render.refresh_from_db()
    assert (render.status, render.error_code) == ("rejected", ErrorCode.INVALID_DATA)


def test_one_that_was_sent_is_not_judged_when_it_is_sent_again(craftkit, known):
    Template.objects.update(manifest={"variables": [], "loops": []})
    craftkit.sandbox.faults.add("cut_before", method="POST")
    render = Render.objects.request("invoice", GOOD)
    craftkit.run()
    Template.objects.update(manifest=MANIFEST | {"variables": [{"key": "x", "required": True}]})
    settle(craftkit)
    render.refresh_from_db()
    assert render.status == "succeeded"


def test_the_errors_are_words_of_the_readers_language(craftkit, known):
    render = Render.objects.request("invoice", BAD)
    settle(craftkit)
    render.refresh_from_db()
    with override("en"):
        english = json.dumps(render.errors)
    with override("de"):
        german = json.dumps(render.errors)
    assert english != german
    assert "not_a_number" not in english + german
