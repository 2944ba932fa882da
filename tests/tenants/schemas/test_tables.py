"""Whose tables code works on."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django_tenants.utils import schema_context

from django_craftkit import tenants
from django_craftkit.models import Render
from tests.shop.models import Order
from tests.tenants.schemas.conftest import NAMES
from tests.tenants.schemas.customers.models import Client


def test_every_tenant_with_tables_is_listed():
    Client.objects.create(schema_name="unmade", name="Unmade")
    try:
        assert tenants.names() == sorted(NAMES)
        assert [tenants.has(name) for name in ("alpha", "unmade", "public", "no")] == [
            True, False, False, False,
        ]  # fmt: skip
    finally:
        Client.objects.filter(schema_name="unmade").delete()


def test_who_is_entered_is_left_again():
    assert tenants.entered() == ""
    with schema_context("alpha"):
        with tenants.enter("beta"):
            assert (tenants.current(), tenants.entered()) == ("beta", "beta")
            assert connection.tenant.name == "Beta", "read when somebody asks"
        assert tenants.current() == "alpha"
    assert tenants.current() == "public"


def test_content_types_differ_and_rows_have_their_own(tenant):
    order = Order.objects.create(number="1")
    render = Render.objects.request("invoice", {}, source=order)
    ContentType.objects.clear_cache()
    expected = ContentType.objects.get_for_model(Order).pk
    assert render.source_type_id == expected
    assert Render.objects.get().source == order
