"""Catalogs of variables, as they are sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from responses.matchers import json_params_matcher

from django_craftkit.client import (
    Catalog,
    CatalogField,
    CatalogLoop,
    Craftkit,
    InvalidData,
    Namespace,
)
from tests.client.conftest import BASE, Api

from .helpers import CATALOG, MINTED, SESSIONS_URL, mint

CATALOGS_URL = f"{BASE}/v1/embed/catalogs"
NAME = CatalogField("name", "Name", "text")
CRM = Catalog(
    namespaces=[
        Namespace(
            "customer",
            "Customer",
            [
                CatalogField(
                    "balance",
                    "Balance",
                    "currency",
                    required=True,
                    format="currency:EUR",
                    description="What they owe.",
                    preview_data=42.5,
                )
            ],
            icon="user",
        )
    ],
    loops=[CatalogLoop("items", "Items", [NAME], preview_data=[{"name": "Widget"}])],
    allow_custom=True,
)
WIRE = {
    "allowCustom": True,
    "namespaces": [
        {
            "key": "customer",
            "label": "Customer",
            "icon": "user",
            "fields": [
                {
                    "key": "balance",
                    "label": "Balance",
                    "dataType": "currency",
                    "required": True,
                    "format": "currency:EUR",
                    "description": "What they owe.",
                    "previewData": 42.5,
                }
            ],
        }
    ],
    "loops": [
        {
            "key": "items",
            "label": "Items",
            "itemFields": [{"key": "name", "label": "Name", "dataType": "text"}],
            "previewData": [{"name": "Widget"}],
        }
    ],
}


@pytest.mark.parametrize("catalog", [CRM, WIRE], ids=["classes", "mapping"])
def test_a_catalog_is_published(api: Api, craftkit: Craftkit, catalog: Any) -> None:
    match = [json_params_matcher({"name": "crm-fields", "catalog": WIRE})]
    api.post(CATALOGS_URL, json=CATALOG, status=201, match=match)
    published = craftkit.embed.create_catalog("crm-fields", catalog)
    assert (published.id, published.version) == (UUID(CATALOG["id"]), 2)


@pytest.mark.parametrize("catalog", [CRM, WIRE], ids=["classes", "mapping"])
def test_a_session_may_bring_its_catalog_along(api: Api, craftkit: Craftkit, catalog: Any) -> None:
    match = [json_params_matcher({"variableCatalog": WIRE}, strict_match=False)]
    api.post(SESSIONS_URL, json=MINTED, match=match)
    mint(craftkit, variable_catalog=catalog)


@pytest.mark.parametrize("name", ["", "Crm", "-crm", "crm_fields", "x" * 121, "crm\n", None])
def test_a_name_that_is_none_is_not_sent(craftkit: Craftkit, name: Any) -> None:
    with pytest.raises(InvalidData, match="'name'"):
        craftkit.embed.create_catalog(name, CRM)


def one_field(*arguments: Any, **options: Any) -> Catalog:
    return Catalog(namespaces=[Namespace("a", "A", [CatalogField(*arguments, **options)])])


FIELD = r"catalog\.namespaces\[0\]\.fields\[0\]"


@pytest.mark.parametrize(
    ("where", "catalog"),
    [
        ("catalog", "crm"),
        (rf"{FIELD}\.key", one_field("1a", "A", "text")),
        (rf"{FIELD}\.key", one_field("a" * 161, "A", "text")),
        (rf"{FIELD}\.label", one_field("a", "", "text")),
        (rf"{FIELD}\.label", one_field("a", "A" * 161, "text")),
        (rf"{FIELD}\.data_type", one_field("a", "A", "money")),
        (rf"{FIELD}\.required", one_field("a", "A", "text", required="yes")),
        (rf"{FIELD}\.format", one_field("a", "A", "text", format="x" * 61)),
        (rf"{FIELD}\.description", one_field("a", "A", "text", description="x" * 281)),
        (r"catalog\.namespaces\[0\]\.fields", Catalog(namespaces=[Namespace("a", "A", [])])),
        *(
            (rf"{FIELD}\.preview_data", one_field("a", "A", "text", preview_data=value))
            for value in ({"a": 1}, ["a"], object(), float("nan"))
        ),
        (r"catalog\.namespaces", Catalog(namespaces={"key": "a"})),  # type: ignore[arg-type]
        (r"catalog\.namespaces\[0\]", Catalog(namespaces=[{"key": "a"}])),  # type: ignore[list-item]
        (r"catalog\.namespaces\[0\]\.key", Catalog(namespaces=[Namespace(7, "A", [NAME])])),  # type: ignore[arg-type]
        (
            r"catalog\.namespaces\[0\]\.icon",
            Catalog(namespaces=[Namespace("a", "A", [NAME], icon=7)]),
        ),  # type: ignore[arg-type]
        (
            r"catalog\.namespaces\[0\]\.fields\[1\]",
            Catalog(namespaces=[Namespace("a", "A", [NAME, {"key": "a"}])]),  # type: ignore[list-item]
        ),
        (r"catalog\.loops\[0\]", Catalog(loops=[Namespace("a", "A", [NAME])])),  # type: ignore[list-item]
        (r"catalog\.loops\[0\]\.item_fields", Catalog(loops=[CatalogLoop("a", "A", [])])),
        (
            r"catalog\.loops\[0\]\.preview_data",
            Catalog(loops=[CatalogLoop("a", "A", [NAME], preview_data=[{}] * 11)]),
        ),
        (
            r"catalog\.loops\[0\]\.preview_data",
            Catalog(loops=[CatalogLoop("a", "A", [NAME], preview_data={"name": "Widget"})]),  # type: ignore[arg-type]
        ),
        (
            r"catalog\.loops\[0\]\.preview_data\[1\]",
            Catalog(loops=[CatalogLoop("a", "A", [NAME], preview_data=[{}, "Widget"])]),  # type: ignore[list-item]
        ),
        (r"catalog\.allow_custom", Catalog(allow_custom=1)),  # type: ignore[arg-type]
    ],
)
def test_what_is_beyond_a_limit_is_named_and_not_sent(
    craftkit: Craftkit, where: str, catalog: Any
) -> None:
    with pytest.raises(InvalidData, match=f"^'{where}'"):
        craftkit.embed.create_catalog("crm", catalog)


def test_a_catalog_of_a_session_is_named_as_the_argument_is(craftkit: Craftkit) -> None:
    with pytest.raises(InvalidData, match=r"^'variable_catalog\.loops\[0\]\.item_fields'"):
        mint(craftkit, variable_catalog=Catalog(loops=[CatalogLoop("a", "A", [])]))
