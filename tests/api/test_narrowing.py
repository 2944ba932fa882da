"""``API_QUERYSET``: which documents there are for whoever asks, whatever they may do."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import checks
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from django_craftkit.api.querysets import narrowed
from django_craftkit.models import EmbedSession, Render, Share, SignatureRequest, within
from django_craftkit.permissions import owns
from django_craftkit.visibility import visible
from tests.admin.conftest import (
    make_batch,
    make_event,
    make_render,
    make_request,
    make_session,
    make_share,
    make_submission,
    make_template,
)
from tests.shop.models import Account, Desk, Order, Parcel

from .test_permissions import TABLE, ask, routes, state, where

pytestmark = pytest.mark.django_db

OWN = {
    "API_QUERYSET": "django_craftkit.api.querysets.own_documents",
    "API_OWNERS": {"auth.User": "pk"},
}
RIGHTS = sorted(set(TABLE.values()))


def rows_about(source):
    batch = make_batch()
    render = make_render("failed", data={}, source=source, batch=batch)
    return {
        "render": render,
        "batch": batch,
        "share": make_share(render),
        "signaturerequest": make_request(render),
        "engagementevent": make_event(render),
        "formsubmission": make_submission(render=render),
    }


@pytest.fixture(params=["API_QUERYSET", "VISIBLE"])
def own(settings, request):
    """Customers see what is their own: in the API, or everywhere."""
    settings.CRAFTKIT = {request.param: OWN["API_QUERYSET"], "API_OWNERS": OWN["API_OWNERS"]}


def test_what_is_not_ones_own_is_not_there(person, own):
    """Every route, with every permission."""
    caller, other = person(*RIGHTS), person()
    mine, others = rows_about(caller.user), rows_about(other.user)
    before = state()
    for method, name in TABLE:
        if "<pk>" in routes()[name]:
            assert ask(caller, method, name, others) == 404, (method, name)
    assert state() == before
    for method, name in TABLE:
        if "<pk>" in routes()[name]:
            assert ask(caller, method, name, mine) in (200, 201, 204, 409), (method, name)
    for name in routes():
        # Templates are about no document.
        if name.endswith("-list") and not name.startswith("template-"):
            shown = caller.got(where(name, mine))["results"]
            model = name.partition("-")[0]
            column = "id" if model in ("render", "batch") else "render"
            expected = {mine["batch" if model == "batch" else "render"].pk}
            if model == "render":
                # One supersedes it by now, and is about the same.
                expected.add(Render.objects.get(supersedes=mine["render"]).pk)
            assert {row[column] for row in shown} == expected


def test_permissions_are_needed_all_the_same(person, own):
    caller = person()
    mine = {**rows_about(caller.user), "template": make_template()}
    for method, name in TABLE:
        assert ask(caller, method, name, mine) == 403, (method, name)


def test_a_document_is_requested_about_what_is_ones_own(person, own):
    caller, other = person("add_render", "view_render"), person()
    body = {"template": "invoice", "data": {}}

    def ask_for(source: object) -> int:
        about = {**body, "source": source}
        status: int = caller.ask("post", "renders/", about, "key-1").status_code
        return status

    assert ask_for({"type": "auth.user", "id": str(other.user.pk)}) == 400
    assert ask_for(None) == 403
    assert not Render.objects.exists()
    assert ask_for({"type": "auth.user", "id": str(caller.user.pk)}) == 201
    render = Render.objects.get()
    # It is somebody else's by now.
    render.set_source(other.user)
    render.save()
    assert ask_for({"type": "auth.user", "id": str(caller.user.pk)}) == 422
    assert caller.ask("post", "renders/", body, "key-2").status_code == 403
    assert Render.objects.count() == 1


def test_owners_are_found_by_their_path(person, settings, django_assert_num_queries):
    settings.CRAFTKIT = {**OWN, "API_OWNERS": {"shop.account": "owner", "auth.User": "pk"}}
    caller = person("view_render")
    accounts = [Account.objects.create(owner=caller.user) for _ in range(2)]
    about = [make_render(source=one).pk for one in (*accounts, caller.user)]
    make_render(source=Account.objects.create(owner=person().user))
    make_render(source=Order.objects.create(number="1"))
    caller.got("renders/")  # content types
    # Two more than a page takes: one for each model of an owner.
    with django_assert_num_queries(8):
        shown = caller.got("renders/")["results"]
    assert [row["id"] for row in shown] == about[::-1]


@pytest.mark.parametrize("few", [1000, 1])
def test_many_objects_of_ones_own_are_found_without_being_named(
    person, settings, monkeypatch, rf, few
):
    settings.CRAFTKIT = {"VISIBLE": OWN["API_QUERYSET"], "API_OWNERS": {"shop.Account": "owner"}}
    monkeypatch.setattr(within, "FEW", few)
    request, other = rf.get("/"), person().user
    request.user = person().user
    accounts = [Account.objects.create(owner=one) for one in (request.user, other) * 3]
    renders = [make_render(source=one) for one in accounts]
    make_render(source=Order.objects.create(pk=accounts[0].pk, number="no account"))
    events = [make_event(one) for one in renders]
    forms = [make_submission(source=one) for one in accounts]
    for rows in (renders, events, forms):
        shown = visible(type(rows[0]).objects.order_by("pk"), request)
        assert list(shown) == rows[::2]
    with CaptureQueriesContext(connection) as queries:
        list(visible(Render.objects.all(), request))
    assert (Account._meta.db_table in queries[-1]["sql"]) is (few == 1)


def test_objects_whose_keys_a_query_does_not_tell_are_named_however_many(monkeypatch):
    """Rows of earlier versions hold keys like these in other forms."""
    monkeypatch.setattr(within, "FEW", 1)
    renders = [make_render(source=Parcel.objects.create()) for _ in range(3)]
    old = uuid.UUID(renders[0].source_id).hex
    Render.objects.filter(pk=renders[0].pk).update(source_id=old)
    found = Render.objects.filter(within.about_found(Parcel.objects.all(), "default"))
    assert set(found) == set(renders)


class AccountsElsewhere:
    def db_for_read(self, model, **hints):
        return "other" if model is Account else None

    db_for_write = db_for_read


@pytest.mark.django_db(databases=["default", "other"])
def test_owners_of_objects_in_another_database(person, settings):
    settings.CRAFTKIT = {**OWN, "API_OWNERS": {"shop.Account": "owner"}}
    caller = person("view_render", "add_render")
    # The same primary key, here and there.
    here = make_render(source=Account.objects.create(pk=7, owner=caller.user))
    with override_settings(DATABASE_ROUTERS=[AccountsElsewhere()]):
        Account.objects.create(pk=7, owner_id=caller.user.pk)
        there = caller.sent(
            "renders/",
            {"template": "invoice", "data": {}, "source": {"type": "shop.account", "id": "7"}},
        )
        assert there["source"]["database"] == "other"
        assert [row["id"] for row in caller.got("renders/")["results"]] == [there["id"]]
    assert [row["id"] for row in caller.got("renders/")["results"]] == [here.pk]


def requested_by_me(queryset, request):
    return queryset.filter(requested_by=request.user)


def test_a_function_of_the_project_narrows(person, settings):
    settings.CRAFTKIT = {"API_QUERYSET": f"{__name__}.requested_by_me"}
    caller = person("view_render", "add_render", "view_share")
    other = make_share(make_render())
    made = caller.sent("renders/", {"template": "invoice", "data": {}})
    share = make_share(Render.objects.get(pk=made["id"]))
    assert [row["id"] for row in caller.got("renders/")["results"]] == [made["id"]]
    assert [row["id"] for row in caller.got("shares/")["results"]] == [share.pk]
    caller.got(f"shares/{other.pk}/", 404)


@pytest.mark.parametrize("path", ["shares", "signature-requests", "engagement"])
def test_what_belongs_to_one_document(person, own, path):
    caller = person(*RIGHTS)
    mine, also_mine, others = (rows_about(one) for one in (caller.user, caller.user, person().user))
    shown = caller.got(f"{path}/?render={mine['render'].pk}")["results"]
    assert [row["render"] for row in shown] == [mine["render"].pk]
    assert caller.got(f"{path}/?render={others['render'].pk}")["results"] == []
    caller.got(f"{path}/{shown[0]['id']}/?render={also_mine['render'].pk}")
    caller.got(f"{path}/?render=0", 400)


def test_ones_own_documents_are_found_by_their_index(rf, person, own):
    """And not among others within the query, which MariaDB would sort on the way."""
    request = rf.get("/")
    request.user = person().user
    assert str(narrowed(Render.objects.all(), request).query).count("SELECT") == 1


def mailed_to_me(queryset, request):
    return queryset.filter(shares__recipient_email=request.user.email)


def test_a_document_is_there_once_however_many_rows_a_function_finds_it_by(person, settings):
    settings.CRAFTKIT = {"API_QUERYSET": f"{__name__}.mailed_to_me"}
    caller = person("view_render")
    caller.user.email = "max@example.com"
    caller.user.save()
    make_render()
    render = make_render()
    for _ in range(2):
        make_share(render, recipient_email="max@example.com")
    assert [row["id"] for row in caller.got("renders/")["results"]] == [render.pk]
    caller.got(f"renders/{render.pk}/")


def test_an_owner_is_known_by_no_other_column_than_the_primary_key(person, settings):
    """A foreign key may hold the name of a user, which may be the number of another."""
    settings.CRAFTKIT = {**OWN, "API_OWNERS": {"shop.Desk": "clerk"}}
    caller, other = person("view_render"), person("view_render")
    other.user.username = str(caller.user.pk)
    other.user.save()
    render = make_render(source=Desk.objects.create(clerk=other.user))
    assert caller.got("renders/")["results"] == []
    assert [row["id"] for row in other.got("renders/")["results"]] == [render.pk]


def test_what_has_no_owner_is_not_that_of_who_has_not_logged_in(person, settings, rf):
    settings.CRAFTKIT = {"VISIBLE": OWN["API_QUERYSET"], "API_OWNERS": {"shop.Account": "owner"}}
    caller = person()
    for owner in (None, caller.user):
        account = Account.objects.create(owner=owner)
        make_render(source=account)
        make_session(source=account, created_by=owner)
    for user, expected in ((AnonymousUser(), 0), (caller.user, 1)):
        request = rf.get("/")
        request.user = user
        for model in (Render, EmbedSession):
            assert visible(model.objects.all(), request).count() == expected, (user, model)
    assert not owns(AnonymousUser(), Account.objects.get(owner=None))


def test_nobody_is_told_more_by_narrowing_nothing(person):
    assert Share.objects.count() == SignatureRequest.objects.count() == 0
    with override_settings(CRAFTKIT={"API_QUERYSET": OWN["API_QUERYSET"]}):
        make_render()
        assert person("view_render").got("renders/")["results"] == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"API_QUERYSET": "nowhere.rule"}, "E015"),
        ({"API_QUERYSET": "django_craftkit.api.querysets.nothing"}, "E015"),
        ({"API_QUERYSET": "django_craftkit.api.querysets"}, "E015"),
        ({"API_QUERYSET": "odd"}, "E015"),
        ({"VISIBLE": "nowhere.rule"}, "E015"),
        ({"VISIBLE": 7}, "E011"),
        ({"API_OWNERS": {"shop.nothing": "user"}}, "E016"),
        ({"API_OWNERS": {"odd": "user"}}, "E016"),
        ({"API_OWNERS": {7: "user"}}, "E016"),
        ({"API_OWNERS": {"shop.Order": 7}}, "E016"),
        ({"API_OWNERS": {"shop.Order": "customer"}}, "E016"),
        ({"API_OWNERS": {"shop.Order": "number"}}, "E016"),
        ({"API_OWNERS": {"shop.Order": "pk"}}, "E016"),
        ({"API_OWNERS": {"shop.Order": "number__x"}}, "E016"),
        ({"API_QUERYSET": 7}, "E011"),
        ({"API_OWNERS": []}, "E011"),
        ({"API_MAX_WAIT": 0}, "E011"),
    ],
    ids=str,
)
def test_a_setting_that_can_not_be_used(settings, options, code):
    settings.CRAFTKIT = options
    (message,) = checks.run_checks(tags=["craftkit"])
    assert (message.id, bool(message.hint)) == (f"craftkit.{code}", True)


@pytest.mark.parametrize(
    "owners",
    [{"shop.Account": "owner", "auth.user": "pk"}, {"admin.LogEntry": "user"}, {}],
)
def test_settings_that_can_be_used(settings, owners):
    settings.CRAFTKIT = {**OWN, "API_OWNERS": owners}
    assert checks.run_checks(tags=["craftkit"]) == []
