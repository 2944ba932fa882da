"""The viewsets are building blocks: mounted elsewhere, subclassed, throttled, and used in parts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.cache import cache
from django.test import override_settings
from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.throttling import ScopedRateThrottle

from django_craftkit.api import shares
from django_craftkit.api.fields import RowSerializer
from django_craftkit.api.renders import RenderDetailSerializer, RenderSerializer, RenderViewSet
from django_craftkit.api.throttling import CraftkitThrottle
from django_craftkit.models import Render
from tests.admin.conftest import make_render, make_share

from .test_renders import BODY

pytestmark = pytest.mark.django_db


class CustomerSerializer(RowSerializer):
    class Meta:
        model = Render
        fields = ("id", "status")


class CustomerViewSet(RenderViewSet):
    """What a customer may do: read their documents, and hear nothing of their insides."""

    serializer_class = CustomerSerializer
    filterset_class = None
    filterset_fields = ("status",)
    permissions = {"list": "view_render", "retrieve": "view_render", "shred": "retry_render"}

    @action(detail=True, methods=["post"])
    def shred(self, request, pk):
        return Response({"shredded": self.get_object().pk})

    @action(detail=True, methods=["post"])
    def burn(self, request, pk):
        return Response({"burned": self.get_object().pk})

    @action(detail=False)
    def count(self, request):
        return Response(self.get_queryset().count())


class ShareSerializer(shares.ShareSerializer):
    """Named as the one that it stands for, beside which it is mounted."""

    class Meta(shares.ShareSerializer.Meta):
        fields = ("id", "status")


class LinkViewSet(shares.ShareViewSet):
    serializer_class = ShareSerializer


class DetailedSerializer(RenderDetailSerializer):
    pass


class DetailedRenders(RenderViewSet):
    serializer_class = DetailedSerializer


class BasicRenders(RenderViewSet):
    authentication_classes = [BasicAuthentication]


class ThrottledRenders(RenderViewSet):
    throttle_classes = [CraftkitThrottle]


class ScopedRenders(RenderViewSet):
    throttle_classes = [ScopedRateThrottle]


router = DefaultRouter()
router.register("mine", CustomerViewSet, "mine")
router.register("links", LinkViewSet, "link")
router.register("detailed", DetailedRenders, "detailed")
router.register("basic", BasicRenders, "basic")
router.register("throttled", ThrottledRenders, "throttled")
router.register("scoped", ScopedRenders, "scoped")
urlpatterns = [
    path("own/", include(router.urls)),
    path("shares/<pk>/", shares.ShareViewSet.as_view({"get": "retrieve"})),
    path(
        "shares/of/<known_as>/",
        shares.ShareViewSet.as_view(
            {"get": "retrieve"}, lookup_field="remote_id", lookup_url_kwarg="known_as"
        ),
    ),
]


@pytest.fixture(autouse=True)
def _mounted():
    with override_settings(ROOT_URLCONF=__name__):
        yield


def test_a_subclass_shows_what_its_serializer_says(person):
    caller, render = person("view_render"), make_render(data={"secret": 1}, error="secret")
    shown = {"id": render.pk, "status": "succeeded"}
    assert caller.got("/own/mine/")["results"] == [shown]
    assert caller.got(f"/own/mine/{render.pk}/") == shown


def test_a_subclass_filters_by_what_it_says(person):
    caller, render = person("view_render"), make_render(data={})
    make_render("failed")
    shown = caller.got("/own/mine/?status=succeeded&template=none&key=none")["results"]
    assert [row["id"] for row in shown] == [render.pk]


def test_a_list_of_a_subclass_reads_its_rows_at_once(boss, django_assert_max_num_queries):
    """Also with what our own lists leave out."""
    renders = [make_render(data={"n": n}) for n in range(5)]
    with django_assert_max_num_queries(4):
        shown = boss.got("/own/detailed/")["results"]
    assert [row["data"] for row in shown] == [render.data for render in reversed(renders)]


def test_an_action_takes_the_permission_that_it_names_and_without_one_it_is_nobodys(person, boss):
    render = make_render("failed")
    assert person("retry_render").sent(f"/own/mine/{render.pk}/shred/", status=200)
    assert person("view_render").ask("post", f"/own/mine/{render.pk}/shred/").status_code == 403
    for path_ in (f"/own/mine/{render.pk}/burn/", f"/own/mine/{render.pk}/retry/", "/own/mine/"):
        assert boss.ask("post", path_, BODY).status_code == 403
    assert boss.ask("get", "/own/mine/count/").status_code == 403


def test_openapi_tells_of_a_subclass_what_it_is():
    """What it shows, under the name of its own serializer; and no action that is nobody's."""
    GENERATOR_STATS.reset()
    patterns = [path("api/", include("django_craftkit.api.urls")), *urlpatterns[:1]]
    document: Any = SchemaGenerator(patterns=patterns).get_schema(public=True)
    assert not GENERATOR_STATS
    told = {at: set(methods) for at, methods in document["paths"].items() if "/own/mine/" in at}
    assert told == {
        "/own/mine/": {"get"},
        "/own/mine/{id}/": {"get"},
        "/own/mine/{id}/shred/": {"post"},
    }
    of = document["components"]["schemas"]
    shown = {
        "/own/mine/": "PaginatedCustomerList",
        "/own/mine/{id}/": "Customer",
        "/own/links/{id}/": "Share",
        "/api/shares/{id}/": "CraftkitShare",
    }
    for at, name in shown.items():
        answer = document["paths"][at]["get"]["responses"]["200"]["content"]["application/json"]
        assert answer["schema"] == {"$ref": f"#/components/schemas/{name}"}
    assert set(of["Customer"]["properties"]) == set(of["Share"]["properties"]) == {"id", "status"}
    assert "url" in of["CraftkitShare"]["properties"]


def test_a_view_can_be_mounted_alone(person):
    share = make_share(make_render(), remote_id=uuid.uuid4())
    caller = person("view_share")
    assert caller.got(f"/shares/{share.pk}/")["id"] == share.pk
    assert caller.got("/shares/odd/", 404)["code"] == "not_found"
    assert caller.got(f"/shares/of/{share.remote_id}/")["id"] == share.pk
    assert caller.got("/shares/of/odd/", 404)["code"] == "not_found"


def test_a_serializer_can_be_used_alone():
    shown = RenderSerializer(make_render("failed", error="Odd.", error_code="odd")).data
    assert shown["error"] == {"code": "odd", "message": "Odd.", "errors": []}


def test_another_way_to_log_in_is_asked_for(client):
    response = client.get("/own/basic/")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Basic realm="api"')
    assert response.json()["code"] == "not_authenticated"
    response = client.get("/own/basic/", headers={"authorization": "Basic eA=="})
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


def test_whoever_asks_too_often_waits(person, settings):
    cache.clear()
    rights = ("view_render", "add_render", "email_render", "add_signaturerequest", "add_share")
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"craftkit-read": "2/min", "craftkit-mail": "1/min"},
    }
    one, other = person(*rights), person(*rights)
    mail = f"/own/throttled/{make_render().pk}/email/"
    for caller in (one, other):
        assert [caller.ask("get", "/own/throttled/").status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]
        # What writes has no rate, and is not limited.
        assert [caller.ask("post", "/own/throttled/", {}).status_code for _ in range(3)] == [
            400
        ] * 3
        body = {"recipient_email": "max@example.com"}
        assert [caller.ask("post", mail, body).status_code for _ in range(2)] == [204, 429]
    response = other.ask("post", mail, body)
    assert response.json()["code"] == "throttled"
    assert 0 < int(response["Retry-After"]) <= 60


def test_rest_frameworks_own_scopes_are_left_alone(person):
    assert person("view_render").ask("get", "/own/scoped/").status_code == 200
