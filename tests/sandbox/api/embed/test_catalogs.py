"""Catalogs of variables, and the sessions that use them."""

from __future__ import annotations

import uuid

import pytest

from tests.sandbox.api.embed.conftest import SAMPLE, SESSIONS, refusal

PATH = "/v1/embed/catalogs"
NAME = {"key": "customer.name", "label": "Customer name", "dataType": "text"}
TOTAL = {"key": "total", "label": "Total", "dataType": "currency", "format": "currency:EUR"}
CATALOG = {
    "allowCustom": True,
    "namespaces": [
        {"key": "customer", "label": "Customer", "icon": "user", "fields": [NAME]},
        {"key": "order", "label": "Order", "fields": [{**TOTAL, "previewData": 42}]},
    ],
    "loops": [{"key": "lines", "label": "Lines", "itemFields": [TOTAL], "previewData": [{}]}],
}


def body(name="crm-fields", **catalog):
    return {"name": name, "catalog": {**CATALOG, **catalog}}


def fields(**change):
    return {"namespaces": [{"key": "a", "label": "A", "fields": [{**NAME, **change}]}]}


def test_a_name_that_is_used_again_is_the_next_version(api, other):
    first, second = api.post(PATH, body()), api.post(PATH, body(loops=[]))

    assert (first.status_code, second.status_code) == (201, 201)
    assert (first.json()["version"], second.json()["version"]) == (1, 2)
    assert {str(uuid.UUID(each.json()["id"])) for each in (first, second)} == {
        first.json()["id"],
        second.json()["id"],
    }
    assert second.json().keys() == {"id", "name", "version"}
    assert other.post(PATH, body()).json()["version"] == 1


def test_a_session_takes_the_current_version_or_the_one_it_names(api, sandbox, other):
    api.post(PATH, body(allowCustom=False))
    api.post(PATH, body())

    def mint(by=api, **reference):
        return by.post(SESSIONS, {**SAMPLE, "catalogRef": {"name": "crm-fields", **reference}})

    assert [mint().status_code, mint(version=1).status_code] == [200, 200]
    current, named = sandbox.embed_sessions
    assert (current.catalog["allowCustom"], named.catalog["allowCustom"]) == (True, False)
    for answer in (mint(version=3), mint(name="erp"), mint(other)):
        assert refusal(answer) == (404, "catalog_not_found")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "CRM"}, "name"),
        ({"name": "-crm"}, "name"),
        ({"name": "a" * 121}, "name"),
        ({"catalog": []}, "catalog"),
        ({"catalog": {"allowCustom": 1}}, "catalog.allowCustom"),
        (
            {"catalog": {"namespaces": [{"key": "a", "label": "A", "fields": []}]}},
            "catalog.namespaces.0.fields",
        ),
        (
            {
                "catalog": {
                    "loops": [
                        {
                            "key": "a",
                            "label": "A",
                            "itemFields": [NAME],
                            "previewData": [{}] * 11,
                        }
                    ]
                }
            },
            "catalog.loops.0.previewData",
        ),
        ({"catalog": fields(key="1st")}, "catalog.namespaces.0.fields.0.key"),
        ({"catalog": fields(key="a" * 161)}, "catalog.namespaces.0.fields.0.key"),
        ({"catalog": fields(label="")}, "catalog.namespaces.0.fields.0.label"),
        ({"catalog": fields(label="a" * 161)}, "catalog.namespaces.0.fields.0.label"),
        ({"catalog": fields(dataType="money")}, "catalog.namespaces.0.fields.0.dataType"),
        ({"catalog": fields(required="no")}, "catalog.namespaces.0.fields.0.required"),
        ({"catalog": fields(format="a" * 61)}, "catalog.namespaces.0.fields.0.format"),
        ({"catalog": fields(description="a" * 281)}, "catalog.namespaces.0.fields.0.description"),
        ({"catalog": fields(previewData={})}, "catalog.namespaces.0.fields.0.previewData"),
    ],
)
def test_a_catalog_that_is_wrong_is_refused(api, change, field):
    answer = api.post(PATH, {**body(), **change})

    assert refusal(answer) == (422, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [field]
    assert refusal(api.post(PATH, data="{")) == (400, "invalid_json")


def test_a_catalog_can_be_lost_by_a_fault(api, sandbox):
    sandbox.faults.add("status", path=PATH, status=500, code="internal_error")

    assert refusal(api.post(PATH, body())) == (500, "internal_error")
    assert api.post(PATH, body()).json()["version"] == 1
