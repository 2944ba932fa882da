from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.sandbox.conftest import INVOICE


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "Charter Handover", "manifest": INVOICE, **changes}


def test_a_new_template_is_published_as_version_1(api):
    answer = api.post("/v1/templates", body(slug="charter-handover"))

    assert answer.status_code == 201
    created = answer.json()
    assert set(created) == {"id", "slug", "currentVersionNumber", "manifest"}
    assert created["slug"] == "charter-handover"
    assert created["currentVersionNumber"] == 1
    assert created["manifest"] == INVOICE


def test_a_slug_is_made_of_the_name_and_gets_a_suffix_when_it_is_taken(api):
    first = api.post("/v1/templates", body(name="Übergabe & Charter")).json()["slug"]
    second = api.post("/v1/templates", body(name="Übergabe & Charter")).json()["slug"]

    assert first == "ubergabe-charter"
    assert second.startswith("ubergabe-charter-")
    assert api.post("/v1/templates", body(name="Παράδοση")).json()["slug"] == "template"


def test_a_slug_that_is_sent_and_taken_is_a_conflict(api):
    answer = api.post("/v1/templates", body(slug="invoice"))

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "slug_conflict"


def test_put_creates_and_then_republishes_even_what_is_the_same(api):
    first = api.put("/v1/templates/offer", body(slug="ignored"))
    again = api.put("/v1/templates/offer", body(name="Offer", description="For customers"))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["slug"] == "offer"
    assert again.json()["currentVersionNumber"] == 2
    assert again.json()["id"] == first.json()["id"]
    read = api.get("/v1/templates/offer").json()
    assert (read["name"], read["description"]) == ("Offer", "For customers")
    # What isn't sent is taken away, not kept.
    api.put("/v1/templates/offer", body())
    assert api.get("/v1/templates/offer").json()["description"] is None


def test_one_template_is_read_with_its_manifest_and_schema(api):
    answer = api.get("/v1/templates/invoice").json()

    assert answer.pop("jsonSchema") == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["customer"],
        "properties": {
            "customer": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "title": "Customer"},
                    "email": {"type": "string", "title": "E-mail", "format": "email"},
                },
            },
            "total": {
                "title": "Total",
                "anyOf": [
                    {"type": "number"},
                    {"type": "string", "pattern": r"^\s*[-+]?[0-9.eE+-]+\s*$"},
                ],
            },
            "lines": {
                "type": "array",
                "title": "Lines",
                "maxItems": 10_000,
                "default": [],
                "items": {
                    "type": "object",
                    "required": ["what"],
                    "properties": {
                        "what": {"type": "string", "title": "What"},
                        "count": {
                            "title": "Count",
                            "anyOf": [
                                {"type": "number"},
                                {"type": "string", "pattern": r"^\s*[-+]?[0-9.eE+-]+\s*$"},
                            ],
                        },
                    },
                },
            },
        },
    }
    assert answer.pop("id")
    assert answer == {
        "name": "Invoice",
        "slug": "invoice",
        "description": None,
        "templateType": "document",
        "currentVersionNumber": 1,
        "published": True,
        "manifest": INVOICE,
        "createdAt": "2026-06-05T10:00:00.000Z",
        "updatedAt": "2026-06-05T10:00:00.000Z",
    }


def test_an_unpublished_template_is_read_with_nulls(api, sandbox):
    sandbox.put_template("draft", manifest=None)

    answer = api.get("/v1/templates/draft").json()

    assert answer["published"] is False
    assert answer["currentVersionNumber"] is None
    assert answer["manifest"] is None
    assert answer["jsonSchema"] is None
    assert api.render(slug="draft").json()["error"]["code"] == "no_published_version"


def test_the_list_begins_with_what_was_updated_last(api, clock):
    api.put("/v1/templates/b", body())
    api.put("/v1/templates/c", body())
    clock.advance(1)
    api.put("/v1/templates/invoice", body())

    listed = api.get("/v1/templates").json()["templates"]

    assert [template["slug"] for template in listed] == ["invoice", "c", "b"]
    assert set(listed[0]) == {
        "id",
        "name",
        "slug",
        "templateType",
        "currentVersionNumber",
        "published",
        "createdAt",
        "updatedAt",
    }
    assert listed[0]["updatedAt"] == "2026-06-05T10:00:01.000Z"


def test_a_deleted_template_is_gone_its_renders_stay_and_its_slug_is_free(api):
    render_id = api.render().json()["id"]
    template_id = api.get("/v1/templates/invoice").json()["id"]

    answer = api.delete("/v1/templates/invoice")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": template_id,
        "slug": "invoice",
        "deletedAt": "2026-06-05T10:00:00.000Z",
    }
    assert api.delete("/v1/templates/invoice").json()["error"]["code"] == "template_not_found"
    assert api.get("/v1/templates/invoice").status_code == 404
    assert api.get("/v1/templates").json() == {"templates": []}
    assert api.render().json()["error"]["code"] == "template_not_found"
    assert api.get(f"/v1/renders/{render_id}/download").status_code == 200
    again = api.post("/v1/templates", body(slug="invoice")).json()
    assert (again["currentVersionNumber"], again["id"] != template_id) == (1, True)


def variable(**changes: Any) -> dict[str, Any]:
    return {"key": "a", "label": "A", "dataType": "text", **changes}


def loop(**changes: Any) -> dict[str, Any]:
    return {"key": "rows", "label": "Rows", "itemFields": [variable()], **changes}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": 7}, "name"),
        ({"description": "x" * 281}, "description"),
        ({"manifest": []}, "manifest"),
        ({"manifest": {"loops": []}}, "manifest.variables"),
        ({"manifest": {"variables": []}}, "manifest.loops"),
        ({"manifest": {"variables": [7], "loops": []}}, "manifest.variables.0"),
        ({"manifest": {"variables": [variable(key="")], "loops": []}}, "manifest.variables.0.key"),
        (
            {"manifest": {"variables": [variable(key="a..b")], "loops": []}},
            "manifest.variables.0.key",
        ),
        (
            {"manifest": {"variables": [variable(dataType="money")], "loops": []}},
            "manifest.variables.0.dataType",
        ),
        (
            {"manifest": {"variables": [variable(required="yes")], "loops": []}},
            "manifest.variables.0.required",
        ),
        (
            {"manifest": {"variables": [variable(), variable()], "loops": []}},
            "manifest.variables.1.key",
        ),
        (
            {"manifest": {"variables": [variable(), variable(key="a.b")], "loops": []}},
            "manifest.variables.1.key",
        ),
        (
            {"manifest": {"variables": [], "loops": [loop(itemFields=[])]}},
            "manifest.loops.0.itemFields",
        ),
        (
            {"manifest": {"variables": [], "loops": [loop(previewData=[{}] * 11)]}},
            "manifest.loops.0.previewData",
        ),
        ({"pageConfig": {"orientation": "diagonal"}}, "pageConfig.orientation"),
        ({"layout": "x"}, "layout"),
    ],
)
def test_a_body_of_another_shape_is_refused_with_the_path_of_the_fault(api, changes, path):
    for answer in (
        api.post("/v1/templates", body(**changes)),
        api.put("/v1/templates/new", body(**changes)),
    ):
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "invalid_request"
        assert set(error["issues"]) == {"formErrors", "fieldErrors"}
        assert path in error["issues"]["fieldErrors"]
    assert api.get("/v1/templates/new").status_code == 404


def test_a_loop_key_with_a_dot_is_refused_here_and_possible_in_the_builder(api, sandbox):
    manifest = {"variables": [], "loops": [loop(key="handover.areas")]}

    answer = api.put("/v1/templates/handover", body(manifest=manifest))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_loop_key"
    sandbox.put_template("handover", manifest=manifest)
    assert api.get("/v1/templates/handover").json()["manifest"] == manifest


@pytest.mark.parametrize("slug", ["Invoice", "a--b", "-a", "a_b", "x" * 121])
def test_a_slug_is_kebab_case(api, slug):
    assert api.post("/v1/templates", body(slug=slug)).status_code == 400
    assert api.put(f"/v1/templates/{slug}", body()).status_code == 400


def test_python_is_told_why_a_manifest_is_wrong(sandbox):
    with pytest.raises(ValueError, match="itemFields"):
        sandbox.put_template("x", manifest={"variables": [], "loops": [loop(itemFields=[])]})


def test_python_is_told_of_a_wrong_slug_and_an_unknown_project(sandbox):
    with pytest.raises(ValueError, match="slug"):
        sandbox.put_template("Not A Slug", manifest=INVOICE)
    with pytest.raises(ValueError, match="no such project: 'eu'"):
        sandbox.put_template("x", manifest=INVOICE, project="eu")


def test_a_pinned_version_is_rendered_with_its_own_manifest(api, sandbox):
    stricter = copy.deepcopy(INVOICE)
    stricter["variables"][2]["required"] = True
    sandbox.put_template("invoice", manifest=stricter)

    assert api.render({"customer": {"name": "Ada"}}).status_code == 400
    pinned = api.render({"customer": {"name": "Ada"}}, options={"versionNumber": 1})
    assert pinned.status_code == 202
    assert sandbox.renders[-1].version.number == 1
    absent = api.render(options={"versionNumber": 3})
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "version_not_found")
