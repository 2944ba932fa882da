"""The kit where a resolver knows the projects: what it reads is the test's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import override_settings

from django_craftkit import conf, credentials
from django_craftkit.models import Render
from django_craftkit.testing import Kit
from tests.shop.models import Order

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db


class Customers:
    """Each row is a customer that has a project: read by the connection of who asks."""

    def get(self, alias: str) -> dict[str, str] | None:
        is_there = Order.objects.filter(number=alias).exists()
        return {"API_KEY": f"ck_live_{alias}"} if is_there else None

    def aliases(self) -> Iterator[str]:
        yield from Order.objects.values_list("number", flat=True)


@pytest.fixture(autouse=True, params=[{}, {"main": {"API_KEY": "ck_live_main"}}], ids=["", "main"])
def _resolver(request, settings) -> None:
    settings.CRAFTKIT = {"PROJECT_RESOLVER": f"{__name__}.Customers"}
    settings.CRAFTKIT_PROJECTS = request.param


def render(project: str) -> Render:
    return Render.objects.request("invoice", {}, project=project)


def test_a_project_is_there_from_the_moment_in_which_its_row_is():
    with Kit() as craftkit:
        with pytest.raises(conf.UnknownProject):
            render("acme")
        order = Order.objects.create(number="acme")
        row = render("acme")
        craftkit.run()
        craftkit.assert_rendered("invoice")
        row.refresh_from_db()
        assert (row.status, craftkit.renders[0].project) == ("succeeded", "acme")
        order.delete()
        with pytest.raises(conf.UnknownProject):
            render("acme")


def test_one_test_knows_nothing_of_the_projects_of_another():
    with pytest.raises(conf.UnknownProject):
        render("acme")
    order = Order.objects.create(number="acme")
    with Kit():
        render("acme")
    credentials.project("acme")
    order.delete()
    with Kit(), pytest.raises(conf.UnknownProject):
        render("acme")
    credentials.forget()
    Order.objects.create(number="bolt")
    with Kit():
        render("bolt")
    Order.objects.all().delete()
    with pytest.raises(conf.UnknownProject):
        render("bolt")


def test_the_kit_makes_up_no_project():
    with Kit() as craftkit:
        with pytest.raises(conf.UnknownProject):
            render("default")
        Order.objects.create(number="default")
        render("default")
        assert credentials.project("default").api_key == "ck_live_default"
        assert craftkit.run()
        assert len(craftkit.renders) == 1


def test_without_a_resolver_there_is_one_project_where_the_settings_have_none(settings):
    settings.CRAFTKIT = {}
    with override_settings(CRAFTKIT_PROJECTS={}), Kit() as craftkit:
        render("default")
        assert craftkit.run()
