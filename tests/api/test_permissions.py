"""Every route and method of the API, and the one permission that opens it.

Whoever adds one writes here what it takes; the sweep fails until they have.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import URLResolver, get_resolver, reverse

from django_craftkit.models import (
    Batch,
    Change,
    EngagementEvent,
    FormSubmission,
    Job,
    Render,
    Share,
    SignatureRequest,
)
from tests.admin.conftest import (
    make_batch,
    make_event,
    make_render,
    make_request,
    make_share,
    make_submission,
    make_template,
)

from .conftest import fields_of

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete", "options", "trace")
TABLE = {
    ("get", "render-list"): "view_render",
    ("post", "render-list"): "add_render",
    ("get", "render-detail"): "view_render",
    ("get", "render-pdf"): "download_render",
    ("post", "render-retry"): "retry_render",
    ("post", "render-withdraw"): "withdraw_render",
    ("post", "render-supersede"): "supersede_render",
    ("post", "render-share"): "add_share",
    ("post", "render-email"): "email_render",
    ("post", "render-sign"): "add_signaturerequest",
    ("post", "render-record"): "add_engagementevent",
    ("get", "share-list"): "view_share",
    ("get", "share-detail"): "view_share",
    ("post", "share-revoke"): "revoke_share",
    ("get", "signaturerequest-list"): "view_signaturerequest",
    ("get", "signaturerequest-detail"): "view_signaturerequest",
    ("post", "signaturerequest-cancel"): "cancel_signaturerequest",
    ("get", "signaturerequest-signed"): "download_signaturerequest",
    ("get", "signaturerequest-certificate"): "download_signaturerequest",
    ("get", "engagementevent-list"): "view_engagementevent",
    ("get", "engagementevent-detail"): "view_engagementevent",
    ("get", "formsubmission-list"): "view_formsubmission",
    ("get", "formsubmission-detail"): "view_formsubmission",
    ("get", "batch-list"): "view_batch",
    ("get", "batch-detail"): "view_batch",
    ("post", "batch-retry"): "retry_render",
    ("get", "template-list"): "view_template",
    ("get", "template-detail"): "view_template",
}
RIGHTS = sorted(set(TABLE.values()))
BODIES = {
    "render-list": {"template": "invoice", "data": {"total": 1}},
    "render-supersede": {"data": {"total": 2}},
    "render-email": {"recipient_email": "max@example.com"},
    "render-sign": {
        "recipients": [{"first_name": "Jane", "email": "jane@example.com"}],
        "anchor_tags": [{"anchor_string": "{{sign_here}}", "type": "signature"}],
    },
}


def routes() -> dict[str, str]:
    """Return the pattern of each route, by its name: as Django's resolver has them."""
    (api,) = [
        one
        for one in get_resolver().url_patterns
        if isinstance(one, URLResolver) and one.namespace == "craftkit-api"
    ]
    return {one.name: str(one.pattern) for one in api.url_patterns}


@pytest.fixture
def rows():
    batch = make_batch()
    render = make_render("failed", data={}, batch=batch)
    return {
        "render": render,
        "batch": batch,
        "share": make_share(render),
        "signaturerequest": make_request(render),
        "engagementevent": make_event(render),
        "formsubmission": make_submission(render=render),
        "template": make_template(),
    }


def is_of_row(name: str) -> bool:
    return "<pk>" in routes()[name] or "<slug>" in routes()[name]


def where(name: str, rows) -> str:
    arguments = []
    if is_of_row(name):
        row = rows[name.partition("-")[0]]
        arguments = [row.slug if "<slug>" in routes()[name] else row.pk]
    return reverse(f"craftkit-api:{name}", args=arguments)


def ask(caller, method: str, name: str, rows) -> int:
    status: int = caller.ask(method, where(name, rows), BODIES.get(name)).status_code
    return status


def state() -> list[object]:
    """Return all that anybody could have changed."""
    models: tuple[Any, ...] = (Batch, Render, Share, SignatureRequest, EngagementEvent)
    models += (FormSubmission, Job, Change)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_every_route_is_in_the_table():
    assert set(routes()) == {name for _, name in TABLE}


def test_no_other_method_is_there(boss, person, rows):
    """Facts are read: nobody types them."""
    before = state()
    for caller in (boss, person()):
        for name in routes():
            for method in METHODS:
                if (method, name) not in TABLE:
                    response = caller.ask(method, where(name, rows), {})
                    assert response.status_code == 405, (method, name)
    assert fields_of(boss.ask("put", where("render-detail", rows), {"status": "failed"})) == []
    assert state() == before


def test_a_head_takes_what_its_get_takes(person, rows):
    gets = {name: right for (method, name), right in TABLE.items() if method == "get"}
    reader = person("view_render")
    for name, right in gets.items():
        allowed = (200,) if right == "view_render" else (403,)
        assert reader.ask("head", where(name, rows)).status_code in allowed, name


def test_visitors_may_do_nothing(client, rows):
    before = state()
    for method, name in TABLE:
        response = getattr(client, method)(where(name, rows))
        assert response.status_code == 403, (method, name)
        assert response.json()["code"] == "not_authenticated"
    assert state() == before


def test_permissions_that_are_not_in_the_table_open_nothing(person, rows):
    others = Permission.objects.filter(content_type__app_label="craftkit")
    caller = person(*others.exclude(codename__in=RIGHTS).values_list("codename", flat=True))
    caller.user.is_staff = True
    caller.user.save()
    before = state()
    for method, name in TABLE:
        assert ask(caller, method, name, rows) == 403, (method, name)
    assert state() == before


@pytest.mark.parametrize("backends", ["django", "guardian"])
@pytest.mark.parametrize("right", RIGHTS)
def test_one_permission_opens_what_is_its_own_and_nothing_else(
    person, rows, right, backends, request
):
    if backends == "guardian":
        request.getfixturevalue("guardian")
    caller, before = person(right), state()
    own = {route for route, needed in TABLE.items() if needed == right}
    for method, name in TABLE.keys() - own:
        assert ask(caller, method, name, rows) == 403, (method, name)
    assert state() == before
    for method, name in own:
        assert ask(caller, method, name, rows) in (200, 204, 409), (method, name)


#: What may be given for one object: of its own model alone.
OF_OBJECTS = sorted(
    {
        (right, name.partition("-")[0])
        for (_, name), right in TABLE.items()
        if right.endswith(f"_{name.partition('-')[0]}") and not right.startswith("add_")
    }
)


@pytest.mark.parametrize(("right", "model"), OF_OBJECTS)
def test_a_permission_for_one_object_opens_that_one(person, rows, guardian, right, model):
    from guardian.shortcuts import assign_perm

    other = {**rows, "render": make_render("failed", data={})}
    other["share"] = make_share(other["render"])
    other["signaturerequest"] = make_request(other["render"])
    other["engagementevent"] = make_event(other["render"])
    other["formsubmission"] = make_submission(render=other["render"])
    other["batch"] = make_batch()
    other["template"] = make_template("other")
    caller = person()
    assign_perm(f"craftkit.{right}", caller.user, rows[model])
    # A batch is of many documents: to retry them takes the permission for all.
    own = {
        (method, name)
        for (method, name), needed in TABLE.items()
        if needed == right and name.startswith(f"{model}-")
    }
    before = state()
    for method, name in TABLE:
        if is_of_row(name):
            assert ask(caller, method, name, other) == 403, (method, name)
        if (method, name) not in own:
            assert ask(caller, method, name, rows) == 403, (method, name)
    assert state() == before
    for method, name in own:
        assert ask(caller, method, name, rows) in (200, 204, 409), (method, name)
    if right == f"view_{model}":
        shown = caller.got(where(f"{model}-list", rows))["results"]
        assert [row["id"] for row in shown] == [rows[model].pk]


def test_what_is_not_there_is_told_to_those_alone_who_might_see_it(person, rows):
    missing = f"renders/{rows['render'].pk + 1}/"
    assert person("view_render").ask("get", missing).status_code == 404
    assert person("retry_render").ask("post", f"{missing}retry/").status_code == 404
    assert person().ask("get", missing).status_code == 403


def test_without_the_permission_to_see_links_there_are_none(person, rows):
    share = rows["share"]
    for rights, url in (
        (["view_share"], None),
        (["view_share", "see_share_link"], share.url),
    ):
        caller = person(*rights)
        assert caller.got(f"shares/{share.pk}/")["url"] == url
        assert [row["url"] for row in caller.got("shares/")["results"]] == [url]
    Share.objects.update(status="revoked")
    assert caller.got(f"shares/{share.pk}/")["url"] is None


def test_whoever_may_do_something_and_not_see_it_is_answered_with_nothing(person, rows):
    render = rows["render"]
    made = person("add_share", "see_share_link").ask("post", f"renders/{render.pk}/share/", {})
    assert (made.status_code, made.content) == (204, b"")
    shown = person("add_share", "view_share").sent(f"renders/{render.pk}/share/", {})
    assert (shown["render"], shown["url"]) == (render.pk, None)
    assert Share.objects.filter(render=render).count() == 3


def test_whose_link_it_was_is_told_by_the_permission_for_links(person, rows):
    share = rows["share"]
    Share.objects.filter(pk=share.pk).update(remote_id="9b2f7a52-5f0e-4f4a-9d53-111111111111")
    event = make_event(rows["render"], share_remote_id="9b2f7a52-5f0e-4f4a-9d53-111111111111")
    path = f"engagement/{event.pk}/"
    assert person("view_engagementevent").got(path)["share"] is None
    caller = person("view_engagementevent", "view_share")
    assert caller.got(path)["share"] == share.pk
    assert {row["share"] for row in caller.got("engagement/")["results"]} == {share.pk, None}


def test_csrf_is_checked_where_a_session_says_who_it_is(person, rows):
    caller = person("withdraw_render")
    caller.handler.enforce_csrf_checks = True
    response = caller.ask("post", where("render-withdraw", rows))
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert Render.objects.filter(withdrawn_at=None).exists()


@pytest.mark.parametrize("most", [1, 1000])
def test_permissions_of_a_group_for_single_objects(person, rows, guardian, monkeypatch, most):
    """Also so many that no query names them all."""
    from guardian.shortcuts import assign_perm

    monkeypatch.setattr("django_craftkit.permissions.FEW", most)
    caller, mine = person(), [make_render() for _ in range(2)]
    group = caller.user.groups.create(name="Readers")
    assign_perm("craftkit.view_render", group, mine[0])
    assign_perm(
        "craftkit.view_render", caller.user, Render.objects.filter(pk__in=[one.pk for one in mine])
    )
    shown = caller.got("renders/")["results"]
    assert [row["id"] for row in shown] == [one.pk for one in reversed(mine)]
