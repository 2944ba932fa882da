"""``VISIBLE``: two organisations share a site, and neither learns of the other's documents.

The sweeps go through every page of the admin and every route of the HTTP API as their sites have
them, so that one that is added later is held to the same.
"""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import CharField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from django_craftkit.models import (
    Batch,
    Change,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    WebhookDelivery,
)
from django_craftkit.templatetags.craftkit_admin import craftkit_front_page
from django_craftkit.visibility import OF_NO_DOCUMENT, visible
from tests.admin.conftest import (
    Desk,
    address,
    make_delivery,
    make_render,
    make_request,
    make_share,
    make_template,
)
from tests.admin.test_permissions import ACTIONS, admins, ask, state
from tests.api import test_permissions as api
from tests.api.conftest import Caller
from tests.organisations import member, rows_of
from tests.shop.models import Order

pytestmark = pytest.mark.django_db


def of_ones_organisation(queryset, request):
    """Documents about orders of the organisation that the visitor's name begins with."""
    if getattr(request.user, "is_superuser", False):
        return queryset
    organisation = request.user.username.partition("-")[0]
    orders = Order.objects.filter(number__startswith=f"{organisation}-")
    keys = orders.annotate(key=Cast("pk", CharField(max_length=40))).values("key")
    about = ContentType.objects.get_for_model(Order)
    return queryset.filter(source_type=about, source_id__in=keys)


def of_one_relation(queryset, request):
    """A rule that joins tables, and finds a document several times."""
    return queryset.filter(shares__message__startswith=request.user.username.partition("-")[0])


@pytest.fixture(autouse=True)
def rule(settings):
    settings.CRAFTKIT = {"VISIBLE": f"{__name__}.of_ones_organisation"}


@pytest.fixture
def shop(django_user_model):
    """Two organisations, and what is nobody's."""
    users = {name: member(django_user_model, name) for name in ("acme", "zeta")}
    shared = SimpleNamespace(
        template=make_template(),
        projectstate=ProjectState.objects.create(
            project="default", paused_at=timezone.now(), pause_reason="x", probe_at=timezone.now()
        ),
    )
    mine, theirs = (rows_of(name, user) for name, user in users.items())
    # About no document, or about one that is about nothing: nobody's but the superuser's.
    lone = make_render(key="zeta-alone")
    make_delivery(b'{"event": "zeta"}')
    Job.objects.create(kind="templates", object_id=shared.projectstate.pk, error="zeta")
    Change.objects.create(
        kind="project", object_id=shared.projectstate.pk, to_status="paused", note="zeta"
    )
    return SimpleNamespace(
        desk=Desk(users["acme"]), mine=mine, theirs=theirs, shared=shared, lone=lone
    )


def named(row: SimpleNamespace, model: str):
    return getattr(row, model)


def of_documents() -> list[str]:
    return [
        one.model._meta.model_name for one in admins().values() if one.model not in OF_NO_DOCUMENT
    ]


def asked_by(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def figures(desk) -> list[dict]:
    """Return what the front page counts for somebody."""
    request = asked_by(desk.user)
    apps = admin.site.get_app_list(request)
    return craftkit_front_page(Context({"request": request, "app_list": apps}))["figures"]


# The admin.


def test_a_list_shows_what_is_visible_and_counts_nothing_else(shop):
    for name, one in admins().items():
        page = shop.desk.get(address(one.model))
        found = page.context["cl"]
        if name in of_documents():
            assert [row.pk for row in found.result_list] == [named(shop.mine, name).pk], name
            assert found.result_count == 1, name
            assert "zeta" not in page.content.decode(), name
        else:
            assert len(found.result_list) == one.model.objects.count(), name


def test_no_search_finds_what_is_not_visible(shop):
    theirs = shop.theirs
    texts = [theirs.name, "zeta", f"{theirs.name}-invoice", str(theirs.order.pk)]
    for column in ("pk", "remote_id", "session_id", "delivery_id"):
        values = (getattr(row, column, None) for row in vars(theirs).values())
        texts += [str(value) for value in values if value is not None]
    request = asked_by(shop.desk.user)
    for name in of_documents():
        one = admins()[name]
        for text in dict.fromkeys(texts):
            found, _ = one.get_search_results(request, one.get_queryset(request), text)
            assert {row.pk for row in found} <= {named(shop.mine, name).pk}, (name, text)


def test_many_matches_of_others_are_not_told_of(shop, monkeypatch):
    monkeypatch.setattr("django_craftkit.admin.common.lists.SEARCHED", 2)
    monkeypatch.setattr("django_craftkit.admin.signatures.admin.SEARCHED", 2)
    for n in range(4):
        render = make_render(key=f"zeta-more-{n}", source=shop.theirs.order)
        make_request(render, "sent", {"email": f"zeta-more-{n}@example.com"})
        make_share(render)
    for model in (Render, Share, SignatureRequest):
        page = shop.desk.get(address(model), {"q": "zeta-more"})
        assert list(page.context["messages"]) == [], model


def test_no_filter_finds_what_is_not_visible(shop):
    theirs = shop.theirs
    for name in of_documents():
        one = admins()[name]
        request = asked_by(shop.desk.user)
        queries = [
            {column: getattr(named(theirs, name), one.opts.get_field(column).attname)}
            for column in one.get_filterable(request)
            if getattr(named(theirs, name), one.opts.get_field(column).attname) is not None
        ]
        for query in [*queries, {"id__exact": named(theirs, name).pk}]:
            request.GET = QueryDict(urlencode(query))
            found = one.get_changelist_instance(request).result_list
            assert {row.pk for row in found} <= {named(shop.mine, name).pk}, (name, query)


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_address_of_a_row_tells_of_one_that_is_not_visible(shop, method):
    """Every address as the site has it: whoever guesses a primary key learns what nobody is."""
    before = state()
    rows = vars(shop.theirs)
    for name in of_documents():
        for pattern in admins()[name].get_urls():
            if not pattern.name or "object_id" not in str(pattern.pattern):
                continue
            answers = []
            for pk in (rows[name].pk, 2**40):
                path = reverse(f"admin:{pattern.name}", args=[pk])
                if pattern.name.endswith("_raw"):
                    path += f"?of={(*admins()[name].wholes, 'data')[0]}"
                answer = ask(shop.desk, method, path, rows)
                assert b"zeta" not in answer.content.replace(path.encode(), b""), pattern.name
                answers.append((answer.status_code, getattr(answer, "url", "")))
            assert answers[0] == answers[1], pattern.name
            assert answers[0][0] != 200, pattern.name
    assert state() == before


def test_no_address_of_a_list_acts_upon_what_is_not_visible(shop):
    before = state()
    for name in of_documents():
        for pattern in admins()[name].get_urls():
            if pattern.name and "object_id" not in str(pattern.pattern):
                pk = named(shop.theirs, name).pk
                data = {"ids": pk, "confirm": "1", "of": "default"}
                answer = shop.desk.post(reverse(f"admin:{pattern.name}"), data, follow=True)
                assert "zeta" not in answer.content.decode(), pattern.name
    assert state() == before


@pytest.mark.parametrize("everything", ["0", "1"])
def test_no_action_acts_upon_what_is_not_visible(shop, everything):
    Render.objects.filter(pk=shop.theirs.render.pk).update(status="succeeded")
    shown = {name: named(shop.theirs, name) for name in of_documents()}
    kept = {name: type(row).objects.filter(pk=row.pk).values().get() for name, row in shown.items()}
    for name, row in shown.items():
        for action in ACTIONS[name]:
            data = {"action": action, "_selected_action": [row.pk], "index": "0"}
            path = address(admins()[name].model)
            shop.desk.post(path, {**data, "select_across": everything})
    for name, row in shown.items():
        assert type(row).objects.filter(pk=row.pk).values().get() == kept[name], name


def test_the_pages_of_ones_own_rows_say_nothing_of_others(shop):
    # Another's document takes the place of one's own, and the other way round.
    make_render(key="zeta-new", source=shop.theirs.order, supersedes=shop.mine.render)
    for note in ("superseded", "supersedes", "corrected"):
        Change.objects.create(
            kind="render", object_id=shop.mine.render.pk, to_status=note, note="zeta-new"
        )
    for name in of_documents():
        for pattern in admins()[name].get_urls():
            if pattern.name and "object_id" in str(pattern.pattern):
                path = reverse(f"admin:{pattern.name}", args=[named(shop.mine, name).pk])
                answer = shop.desk.get(path)
                assert answer.status_code in (200, 302, 403, 404, 405), pattern.name
                if not answer.streaming:
                    assert "zeta" not in answer.content.decode(), pattern.name
        page = address(admins()[name].model, "change", named(shop.mine, name).pk)
        assert shop.desk.get(page).status_code == 200, name
    naming = Change.objects.get(to_status="superseded")
    page = address(Change, "change", naming.pk)
    assert "zeta" not in shop.desk.shows(page)
    assert shop.desk.get(address(Change, "raw", naming.pk), {"of": "note"}).status_code == 404
    assert shop.desk.get(address(Change), {"note__startswith": "zeta"}).status_code != 200


def test_a_batch_counts_and_retries_what_is_visible(shop):
    batch, other = shop.mine.batch, shop.theirs.render
    Render.objects.filter(pk=other.pk).update(batch=batch)
    page = shop.desk.get(address(Batch, "change", batch.pk))
    assert page.context["batch"]["figures"][0]["number"] == "1"
    shop.desk.post(address(Batch, "retry", batch.pk))
    shop.mine.render.refresh_from_db()
    other.refresh_from_db()
    assert (shop.mine.render.status, other.status) == ("pending", "failed")


def test_the_front_page_counts_what_is_visible(shop):
    shown = {figure["url"]: figure["number"] for figure in figures(shop.desk)}
    failed = f"{address(Render)}?state=failed"
    abandoned = f"{address(WebhookDelivery)}?status__exact=abandoned"
    signals = f"{address(Change)}?announcement__exact=abandoned"
    unsettled = f"{address(Share)}?state=unsettled"
    for url in (failed, abandoned, signals, unsettled):
        assert shown[url] == "1", url


def test_pickers_offer_what_is_visible(shop):
    """What autocomplete, and any other page of Django's, takes its rows from."""
    request = asked_by(shop.desk.user)
    for name in of_documents():
        rows = admins()[name].get_queryset(request)
        assert list(rows.values_list("pk", flat=True)) == [named(shop.mine, name).pk], name


def test_whoever_the_rule_leaves_out_nothing_for_sees_everything(shop, django_user_model):
    boss = Desk(django_user_model.objects.create_superuser("boss"))
    for name, one in admins().items():
        page = boss.get(address(one.model))
        assert page.context["cl"].result_count == one.model.objects.count(), name


def test_the_rule_takes_no_more_queries_where_it_leaves_nothing_out(
    shop, django_user_model, django_assert_max_num_queries, settings
):
    boss = Desk(django_user_model.objects.create_superuser("boss"))
    page = address(Render)
    boss.shows(page)
    with django_assert_max_num_queries(100) as first:
        boss.shows(page)
    settings.CRAFTKIT = {}
    with django_assert_max_num_queries(len(first)) as second:
        boss.shows(page)
    assert len(first) == len(second)


def test_a_rule_that_joins_tables_finds_each_document_once(shop, settings):
    settings.CRAFTKIT = {"VISIBLE": f"{__name__}.of_one_relation"}
    make_share(shop.mine.render, message="acme, too")
    for name in ("render", "share", "batch"):
        page = shop.desk.get(address(admins()[name].model))
        shown = [row.pk for row in page.context["cl"].result_list]
        assert len(shown) == len(set(shown)) == (2 if name == "share" else 1)


def test_every_model_follows_the_documents():
    request = asked_by(SimpleNamespace(pk=1, username="acme-1"))
    for name in of_documents():
        rows = admins()[name].model.objects.all()
        assert visible(rows, request) is not rows, name


# The other faces.


def test_no_route_of_the_api_tells_of_what_is_not_visible(shop):
    caller, before = Caller(shop.desk.user), state()
    theirs = {**vars(shop.theirs), "template": shop.shared.template}
    for method, name in api.TABLE:
        model = name.partition("-")[0]
        if model == "template":
            continue
        if api.is_of_row(name):
            assert api.ask(caller, method, name, theirs) == 404, (method, name)
        elif method == "get":
            shown = caller.got(api.where(name, theirs))["results"]
            assert [row["id"] for row in shown] == [named(shop.mine, model).pk], name
    assert state() == before


def test_what_is_not_visible_is_requested_by_nobody(shop):
    caller, body = Caller(shop.desk.user), {"template": "invoice", "data": {}}
    before = Render.objects.count()
    assert caller.ask("post", "renders/", body).status_code == 403
    assert Render.objects.count() == before


def test_the_rule_of_the_api_narrows_further(shop, settings):
    settings.CRAFTKIT |= {"API_QUERYSET": f"{__name__}.nothing"}
    assert Caller(shop.desk.user).got("renders/")["results"] == []
    assert shop.desk.get(address(Render)).context["cl"].result_count == 1


def nothing(queryset, request):
    return queryset.none()


def nobody_is_asked(request, render):
    raise PermissionDenied


@pytest.mark.parametrize("permission", [None, f"{__name__}.nobody_is_asked"])
def test_a_download_that_is_not_visible_is_not_there(shop, settings, permission):
    settings.CRAFTKIT |= {"DOWNLOAD_PERMISSION": permission}
    for render in (shop.theirs.render, shop.lone):
        path = reverse("craftkit:download", args=[render.pk])
        assert shop.desk.get(path).status_code == 404
    path = reverse("craftkit:download", args=[shop.mine.render.pk])
    said = shop.desk.get(path)
    assert said.status_code == (404 if permission is None else 403)
    assert (b"There is no PDF" in said.content) == (permission is None)


TAGS = (
    "{% load craftkit %}{% craftkit_status about %}|{% craftkit_signature about %}|"
    "{% craftkit_share_url about %}|{% craftkit_download_url about %}"
)


def test_a_tag_looks_up_what_the_visitor_may_know_of(shop):
    """An order that both organisations have to do with: each page shows its own documents."""

    def shown(about, **context) -> list[bool]:
        text = Template(TAGS).render(Context({"about": about, **context}))
        return [bool(part.strip()) for part in text.split("|")]

    order = shop.theirs.order
    render = make_render(source=order)
    make_share(render)
    make_request(render)
    request = asked_by(shop.desk.user)
    assert shown(order, request=request) == [False] * 4
    # A mail has no visitor; a document was chosen by the view.
    assert shown(order) == shown(render, request=request) == [True] * 4
    renders = visible(Render.objects.all(), request)
    renders.prefetch_for([order, shop.mine.order])
    assert shown(order) == [False] * 4
    assert shown(shop.mine.order)[0]
