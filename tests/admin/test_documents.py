"""The documents of an object stand on its page in the project's own admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite, ModelAdmin
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from guardian.shortcuts import assign_perm

from django_craftkit.admin import CraftkitDocumentsMixin, RenderAdmin
from django_craftkit.admin.documents import MOST
from django_craftkit.models import Render
from tests.admin.conftest import make_render
from tests.shop.models import Order

pytestmark = pytest.mark.django_db

GUARDIAN = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ORDER = ("view_order", "change_order", "add_order")


class OrderAdmin(CraftkitDocumentsMixin, ModelAdmin):
    fields = ("number", "total")
    readonly_fields = ("total",)


class Own(OrderAdmin):
    """One whose page is the project's own."""

    change_form_template = "own_change_form.html"


backoffice = AdminSite(name="backoffice")
backoffice.register(Order, Own)
backoffice.register(Render, RenderAdmin)
alone = AdminSite(name="alone")
alone.register(Order, OrderAdmin)
urlpatterns = [
    path("admin/", admin.site.urls),
    path("backoffice/", backoffice.urls),
    path("alone/", alone.urls),
]
OWN_TEMPLATE = (
    '{% extends "admin/change_form.html" %}'
    "{% block content %}<p>ours</p>{{ block.super }}{% endblock %}"
)


@pytest.fixture(autouse=True)
def _sites(settings):
    settings.TEMPLATES = [
        {
            **settings.TEMPLATES[0],
            "APP_DIRS": False,
            "OPTIONS": {
                **settings.TEMPLATES[0]["OPTIONS"],
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {"own_change_form.html": OWN_TEMPLATE},
                    ),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ]
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def order(db) -> Order:
    return Order.objects.create(number="A-1")


def section(desk: Client, order: Order, site: str = "backoffice") -> str:
    """Return what the page of an object shows of its documents; "" for nothing."""
    response: Any = desk.get(f"/{site}/shop/order/{order.pk}/change/")
    assert response.status_code == 200
    page = response.content.decode()
    return page.partition('<section class="craftkit-section craftkit-documents"')[2].partition(
        "</section>"
    )[0]


def buttons(html: str) -> list[str]:
    return re.findall(r'craftkit-button--\w+"(?: href="[^"]+")?>([^<]+)<', html)


def seller(staff, *codenames: str) -> Any:
    """Return somebody who works with orders, with these permissions besides."""
    from tests.helpers import grant

    desk = staff(*codenames)
    grant(desk.user, *ORDER, app="shop")
    return desk


def test_they_are_shown_newest_first_with_what_they_are(boss, order):
    make_render("failed", source=order, key="first")
    make_render(source=order, key="second", requested_by=boss.user)
    make_render(source=Order.objects.create(number="A-2"), key="other")
    html = section(boss, order)
    assert re.findall(r">(first|second|other)</a>", html) == ["second", "first"]
    assert "by boss" in html
    assert 'craftkit-badge--bad">failed<' in html
    assert "invoice" in html


def nothing(queryset, request):
    return queryset.none()


def test_a_document_that_is_not_visible_is_not_there(boss, order, settings):
    make_render(source=order, key="first")
    assert "first" in section(boss, order)
    settings.CRAFTKIT = {"VISIBLE": f"{__name__}.nothing"}
    assert "first" not in section(boss, order)


def test_the_page_is_the_projects_own_and_has_our_stylesheet(boss, order):
    page = boss.get(f"/backoffice/shop/order/{order.pk}/change/").content.decode()
    assert "<p>ours</p>" in page
    assert page.index("</form>") < page.index("craftkit-documents")
    assert page.count("django_craftkit/admin.css") == 1
    assert "There is no document about it." in page


def test_no_form_stands_in_another(boss, order):
    make_render("failed", source=order)
    page = boss.get(f"/backoffice/shop/order/{order.pk}/change/").content.decode()
    depth = 0
    for tag in re.findall(r"<(/?form)\b", page):
        depth += 1 if tag == "form" else -1
        assert depth in (0, 1)
    assert "csrfmiddlewaretoken" in page.partition("craftkit-documents")[2]


def test_there_are_none_on_the_page_of_a_new_object_or_in_a_popup(boss, order):
    for page in ("add/", f"{order.pk}/change/?_popup=1"):
        shown = boss.get(f"/backoffice/shop/order/{page}").content.decode()
        assert "craftkit-documents" not in shown


def test_they_stay_where_the_form_has_errors(boss, order):
    make_render(source=order, key="mine")
    response = boss.post(f"/backoffice/shop/order/{order.pk}/change/", {"number": ""})
    assert response.status_code == 200
    assert "mine" in response.content.decode().partition("craftkit-documents")[2]


@pytest.mark.parametrize(
    ("right", "label"),
    [
        ("download_render", "Open PDF"),
        ("add_share", "Make a link"),
        ("email_render", "Send by e-mail"),
        ("add_signaturerequest", "Send for signature"),
        ("withdraw_render", "Withdraw"),
    ],
)
def test_each_button_takes_its_permission(staff, order, right, label):
    make_render(source=order, remote_id="9b2f7a52-5f0e-4f4a-9d53-111111111111")
    assert buttons(section(seller(staff, "view_render"), order)) == ["Ask Craftkit for news"]
    html = section(seller(staff, "view_render", right), order)
    assert label in buttons(html)
    assert len(buttons(html)) == 2


def test_a_button_leads_to_where_the_documents_own_page_has_it(staff, order):
    render = make_render("failed", source=order)
    desk = seller(staff, "view_render", "retry_render")
    address = f"/backoffice/craftkit/render/{render.pk}/retry/"
    assert f'<form method="post" action="{address}">' in section(desk, order)
    response = desk.post(address)
    assert (response.status_code, response["Location"]) == (
        302,
        f"/backoffice/craftkit/render/{render.pk}/change/",
    )
    render.refresh_from_db()
    assert render.attempt == 2


def test_who_may_see_no_document_sees_no_section(staff, order):
    make_render(source=order)
    assert section(seller(staff, "retry_render", "download_render"), order) == ""


@pytest.mark.parametrize("backend", ["guardian", "own"])
def test_who_may_see_one_of_them_sees_that_one(staff, order, settings, backend):
    mine, other = (make_render("failed", source=order, key=key) for key in ("mine", "other"))
    desk = seller(staff)
    if backend == "guardian":
        settings.AUTHENTICATION_BACKENDS = GUARDIAN
        for right in ("view_render", "retry_render"):
            assign_perm(f"craftkit.{right}", desk.user, mine)
    else:
        settings.AUTHENTICATION_BACKENDS = [GUARDIAN[0], f"{__name__}.Mine"]
    html = section(desk, order)
    assert re.findall(r">(mine|other)</a>", html) == ["mine"]
    assert buttons(html) == ["Try again"]
    assert other.key not in html


class Mine:
    """A backend of the project's own that knows single objects."""

    def authenticate(self, request: object, **credentials: object) -> None:
        return None

    def has_perm(self, user: object, name: str, obj: Any = None) -> bool:
        rights = ("craftkit.view_render", "craftkit.retry_render")
        return name in rights and getattr(obj, "key", "") == "mine"


def test_a_site_without_our_pages_leads_nowhere(boss, order):
    make_render("failed", source=order, key="mine")
    html = section(boss, order, "alone")
    assert "mine" in html
    assert "href" not in html
    assert buttons(html) == []


@pytest.mark.parametrize("who", ["django", "guardian"])
def test_their_number_takes_no_more_queries(staff, order, settings, who):
    settings.AUTHENTICATION_BACKENDS = GUARDIAN
    rights = ("view_render", "retry_render", "withdraw_render")
    desk = seller(staff, *(rights if who == "django" else ()))

    def queries(number: int) -> int:
        for n in range(number):
            render = make_render(("failed", "queued", "succeeded")[n % 3], source=order)
            if who == "guardian":
                for right in rights:
                    assign_perm(f"craftkit.{right}", desk.user, render)
        section(desk, order)
        with CaptureQueriesContext(connection) as captured:
            assert section(desk, order).count("craftkit-panel") == min(Render.objects.count(), MOST)
        return len(captured)

    assert queries(3) == queries(12) == queries(20)


def test_the_newest_are_shown_and_a_link_to_all(boss, staff, order):
    for n in range(MOST):
        make_render(source=order, key=f"n-{n}")
    assert "All documents about it" not in section(boss, order)
    make_render(source=order)
    make_render(source=Order.objects.create(number="A-2"), key="other")
    html = section(boss, order)
    (url,) = re.findall(r'<a href="([^"]+)">All documents about it', html)
    listed = boss.get(url.replace("&amp;", "&"))
    assert listed.status_code == 200
    assert listed.context["cl"].result_count == MOST + 1


def test_an_answer_of_the_projects_own_is_left_alone(order, boss):
    class Redirects(ModelAdmin):
        def render_change_form(self, request, context, **kwargs):
            return "mine"

    class Both(CraftkitDocumentsMixin, Redirects):
        pass

    request = RequestFactory().get("/")
    request.user = boss.user
    answer = Both(Order, backoffice).render_change_form(request, {"original": order})
    assert answer == "mine"
