"""A document takes the place of another: ``POST renders/{id}/supersede/``."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm

from django_craftkit.models import Render, Share
from tests.admin.conftest import make_render
from tests.helpers import at_once, settle
from tests.shop.models import Order

from .conftest import Caller, fields_of

pytestmark = pytest.mark.django_db

BODY = {"data": {"total": "43.00"}}


@pytest.fixture
def old(db) -> Render:
    return make_render(key="i-1", version=3, source=Order.objects.create(number="7"))


@pytest.fixture
def path(old) -> str:
    return f"renders/{old.pk}/supersede/"


def test_a_correction(craftkit, ready, boss):
    boss.sent(f"renders/{ready.pk}/share/?wait=5", {})
    made = boss.sent(f"renders/{ready.pk}/supersede/", BODY)
    assert (made["status"], made["template"], made["data"]) == ("pending", "invoice", BODY["data"])
    assert (made["supersedes"], made["superseded_by"]) == (ready.pk, None)
    assert Render.objects.get(pk=made["id"]).requested_by == boss.user
    settle(craftkit)
    old = boss.got(f"renders/{ready.pk}/")
    assert (old["supersedes"], old["superseded_by"]) == (None, made["id"])
    assert None not in (old["superseded_at"], old["withdrawn_at"])
    assert Share.objects.get().status == "revoked"
    refused = boss.sent(f"renders/{ready.pk}/retry/", status=409)
    assert refused["code"] == "not_retriable"


def test_waiting_for_it(craftkit, ready, boss):
    made = boss.sent(f"renders/{ready.pk}/supersede/?wait=5", BODY)
    assert made["status"] == "succeeded"
    assert boss.got(f"renders/{ready.pk}/")["superseded_at"] is not None


def test_what_is_not_said_is_as_the_old_one_has_it(boss, path, old):
    made = boss.sent(path, BODY)
    assert (made["version"], made["source"]["id"]) == (3, old.source_id)
    other = boss.sent(
        f"renders/{made['id']}/supersede/", {**BODY, "template": "letter", "version": None}
    )
    assert (other["template"], other["version"]) == ("letter", None)
    pinned = boss.sent(f"renders/{other['id']}/supersede/", {**BODY, "version": 5})
    assert (pinned["template"], pinned["version"]) == ("letter", 5)


@pytest.mark.parametrize("key", ["", "key-1"])
def test_the_same_is_requested_once(boss, path, key):
    first = boss.sent(path, BODY, key)
    assert boss.sent(path, BODY, key) == first
    assert Render.objects.count() == 2


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        ({"data": {"total": "44.00"}}, ["data"]),
        ({**BODY, "version": 2}, ["version"]),
        ({**BODY, "template": "letter"}, []),
    ],
)
def test_another_body_under_the_same_key_is_refused(boss, path, other, fields):
    boss.sent(path, BODY, "key-1")
    response = boss.ask("post", path, other, "key-1")
    assert (response.status_code, response.json()["code"]) == (422, "key_conflict")
    assert fields_of(response) == fields
    assert Render.objects.count() == 2


def test_another_correction_is_refused_whoever_asks(boss, person, path):
    boss.sent(path, BODY, "key-1")
    for caller in (boss, person("supersede_render")):
        for key in ("", "key-2"):
            refused = caller.sent(path, {"data": {"total": "44.00"}}, key, status=409)
            assert refused["code"] == "superseded"
    assert Render.objects.count() == 2


def test_one_key_for_two_documents_makes_two(boss, path):
    other = make_render()
    first = boss.sent(path, BODY, "key-1")
    assert boss.sent(f"renders/{other.pk}/supersede/", BODY, "key-1")["id"] != first["id"]
    another = make_render()
    assert boss.sent(f"renders/{another.pk}/supersede/", BODY)["supersedes"] == another.pk


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["data"]),
        ({"data": []}, ["data"]),
        ({**BODY, "version": 0}, ["version"]),
        ({**BODY, "template": ""}, ["template"]),
        ({**BODY, "source": None}, ["source"]),
    ],
)
def test_what_is_no_correction_is_refused(boss, path, body, fields):
    response = boss.ask("post", path, body)
    assert (response.status_code, fields_of(response)) == (400, fields)
    assert Render.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_made(boss, path):
    answers: list[int] = []

    def post(total: str) -> None:
        body = {"data": {"total": total}}
        answers.append(Caller(boss.user).ask("post", path, body).status_code)

    assert at_once(lambda: post("1"), lambda: post("2")) == [None, None]
    assert sorted(answers) == [201, 409]
    assert Render.objects.count() == 2


class TestTheOtherOne:
    """``supersedes`` and ``superseded_by`` name documents that the user may know of."""

    @pytest.fixture
    def new(self, old) -> Render:
        return old.supersede({"total": 1})

    def test_is_named_in_a_list_by_two_queries(self, boss, new, old, django_assert_num_queries):
        def shown() -> dict[int, tuple[int | None, int | None]]:
            rows = boss.got("renders/")["results"]
            return {row["id"]: (row["supersedes"], row["superseded_by"]) for row in rows}

        assert shown() == {old.pk: (None, new.pk), new.pk: (old.pk, None)}
        # Session, user, list, successors, superseded.
        with django_assert_num_queries(5):
            shown()
        newest = new.supersede({"total": 2})
        make_render()
        with django_assert_num_queries(5):
            assert shown()[new.pk] == (old.pk, newest.pk)

    def test_is_not_named_where_it_is_not_there_for_the_user(self, person, new, old, settings):
        settings.CRAFTKIT = {
            "API_QUERYSET": "django_craftkit.api.querysets.own_documents",
            "API_OWNERS": {"auth.User": "pk"},
        }
        caller = person("view_render")
        for mine in (old, new):
            Render.objects.update(source_type=None, source_id="")
            mine.set_source(caller.user)
            mine.save()
            for row in (caller.got(f"renders/{mine.pk}/"), *caller.got("renders/")["results"]):
                assert (row["id"], row["supersedes"], row["superseded_by"]) == (mine.pk, None, None)

    def test_is_not_named_without_the_permission_for_it(self, person, new, old, guardian):
        for mine in (old, new):
            caller = person()
            assign_perm("craftkit.view_render", caller.user, mine)
            for row in (caller.got(f"renders/{mine.pk}/"), *caller.got("renders/")["results"]):
                assert (row["id"], row["supersedes"], row["superseded_by"]) == (mine.pk, None, None)
            assign_perm("craftkit.view_render", caller.user, new if mine == old else old)
            row = caller.got(f"renders/{old.pk}/")
            assert row["superseded_by"] == new.pk


def test_a_correction_that_the_user_could_not_see_is_not_made(person, old, path, settings):
    settings.CRAFTKIT = {"API_QUERYSET": "tests.api.test_supersede.only_invoices"}
    caller = person("supersede_render", "view_render")
    assert caller.ask("post", path, {**BODY, "template": "letter"}).status_code == 403
    assert Render.objects.count() == 1
    assert caller.sent(path, BODY)["supersedes"] == old.pk


def only_invoices(queryset, request):
    return queryset.filter(template="invoice")
