"""One Idempotency-Key is one request of one user, whoever else has the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_craftkit.models import Render, Share, SignatureRequest
from tests.admin.conftest import make_render
from tests.helpers import at_once

from .conftest import Caller, fields_of
from .test_renders import BODY, SIGNERS

pytestmark = pytest.mark.django_db

UNTIL = (timezone.now() + timedelta(days=300)).isoformat()
MAIL = {
    "recipient_email": "max@example.com",
    "message": "Here",
    "recipient_name": "Max",
    "expires_at": UNTIL,
}
LINK = {"message": "Here", "expires_at": UNTIL}


def jane(**more: object) -> dict[str, object]:
    first, second = SIGNERS["recipients"]
    return {**SIGNERS, "recipients": [{**first, **more}, second]}


#: What is requested, and other bodies: with the field in which each differs.
REQUESTS = {
    "renders/": (
        BODY,
        [
            ({**BODY, "data": {"total": "43.00"}}, ["data"]),
            ({**BODY, "version": 2}, ["version"]),
            ({**BODY, "filename": "a.pdf"}, ["filename"]),
            ({**BODY, "template": "letter"}, []),
        ],
    ),
    "renders/{}/share/": (
        LINK,
        [
            ({**LINK, "message": "There"}, ["message"]),
            ({**LINK, "expires_at": None}, ["expires_at"]),
            ({**LINK, "recipient_email": "max@example.com"}, ["recipient_email"]),
            (
                {**LINK, "channel": "email", "recipient_email": "max@example.com"},
                ["recipient_email"],
            ),
        ],
    ),
    "renders/{}/email/": (
        MAIL,
        [
            ({**MAIL, "recipient_email": "jane@example.com"}, ["recipient_email"]),
            ({**MAIL, "message": "There"}, ["message"]),
            ({**MAIL, "recipient_name": "Jane"}, ["recipient_name"]),
            ({**MAIL, "expires_at": None}, ["expires_at"]),
        ],
    ),
    "renders/{}/sign/": (
        SIGNERS,
        [
            (jane(email="joan@example.com"), ["recipients[0].email"]),
            (jane(first_name="Joan"), ["recipients[0].first_name"]),
            ({**SIGNERS, "recipients": SIGNERS["recipients"][:1]}, ["recipients"]),
            ({**SIGNERS, "name": "Lease"}, ["name"]),
            ({**SIGNERS, "expires_in_hours": 24}, ["expires_in_hours"]),
        ],
    ),
}
OTHERS = [
    pytest.param(path, body, other, fields, id=f"{path}-{number}")
    for path, (body, others) in REQUESTS.items()
    for number, (other, fields) in enumerate(others)
]


def rows() -> list[object]:
    return [
        list(model.objects.order_by("pk").values_list("pk", flat=True))
        for model in (Render, Share, SignatureRequest)
    ]


@pytest.fixture
def render(db):
    return make_render()


@pytest.mark.parametrize("path", REQUESTS)
def test_the_same_is_requested_once(boss, render, path):
    path, (body, _) = path.format(render.pk), REQUESTS[path]
    first = boss.sent(path, body, "key-1")
    before = rows()
    assert boss.sent(path, body, "key-1") == first
    assert rows() == before
    assert boss.sent(path, body, "key-2")["id"] != first["id"]


@pytest.mark.parametrize(("path", "body", "other", "fields"), OTHERS)
def test_another_body_is_refused(boss, render, path, body, other, fields):
    boss.sent(path.format(render.pk), body, "key-1")
    before = rows()
    response = boss.ask("post", path.format(render.pk), other, "key-1")
    assert (response.status_code, response.json()["code"]) == (422, "key_conflict")
    assert fields_of(response) == fields
    assert rows() == before


def test_another_body_is_refused_once_a_signature_request_has_ended(boss, render):
    path = f"renders/{render.pk}/sign/"
    first = boss.sent(path, SIGNERS, "key-1")
    SignatureRequest.objects.update(status="declined")
    assert boss.sent(path, SIGNERS, "key-1")["id"] == first["id"]
    response = boss.ask("post", path, jane(first_name="Joan"), "key-1")
    assert (response.status_code, SignatureRequest.objects.count()) == (422, 1)


@pytest.mark.parametrize("path", REQUESTS)
def test_a_key_is_its_users_own(person, render, path):
    """Two users, one key: nobody sees, or changes, what the other one requested."""
    rights = ("add_render", "add_share", "email_render", "add_signaturerequest")
    views = ("view_render", "view_share", "view_signaturerequest")
    one, other = person(*rights, *views), person(*rights, *views)
    path, (body, others) = path.format(render.pk), REQUESTS[path]
    first = one.sent(path, body, "key-1")
    second = other.sent(path, others[0][0], "key-1")
    assert (first["id"], first["requested_by"]) != (second["id"], second["requested_by"])
    assert one.sent(path, body, "key-1")["id"] == first["id"]


def test_a_key_is_its_routes_own(boss, render):
    """A link and a mail are rows of one table."""
    body = {"recipient_email": "max@example.com"}
    share = boss.sent(f"renders/{render.pk}/share/", body, "key-1")
    mail = boss.sent(f"renders/{render.pk}/email/", body, "key-1")
    assert (share["by_mail"], mail["by_mail"]) == (False, True)


def test_a_key_stays_used_once_its_documents_data_have_been_dropped(boss):
    first = boss.sent("renders/", BODY, "key-1")
    Render.objects.update(status="succeeded", data=None)
    assert boss.sent("renders/", BODY, "key-1")["id"] == first["id"]
    other = boss.ask("post", "renders/", {**BODY, "version": 2}, "key-1")
    assert (other.status_code, fields_of(other)) == (422, ["version"])


def test_a_key_names_no_row_that_others_know_by_it(boss, render):
    """Neither a document of Python's with this key, nor one by what rows are known by."""
    known = Render.objects.request("invoice", BODY["data"], key="key-1")
    made = boss.sent("renders/", BODY, "key-1")
    assert made["id"] != known.pk
    assert boss.sent("renders/", BODY, made["key"])["id"] not in (made["id"], known.pk)


def test_a_row_of_somebody_elses_is_never_the_answer(boss, person):
    """Whoever learns what a row is known by, and gives it to Python, gets no answer of it."""
    made = boss.sent("renders/", BODY, "key-1")
    Render.objects.filter(pk=made["id"]).update(requested_by=person().user)
    response = boss.ask("post", "renders/", BODY, "key-1")
    assert (response.status_code, fields_of(response)) == (422, [])


def test_a_key_is_one_of_all_projects(boss, settings):
    settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": {"API_KEY": "ck_test_eu"}}
    boss.sent("renders/", BODY, "key-1")
    response = boss.ask("post", "renders/", {**BODY, "project": "eu"}, "key-1")
    assert (response.status_code, fields_of(response)) == (422, ["project"])
    assert Render.objects.count() == 1


def test_without_a_key_each_request_for_a_document_or_a_link_is_another_one(boss, render):
    for path in ("renders/", f"renders/{render.pk}/share/"):
        body = REQUESTS[path.replace(str(render.pk), "{}")][0]
        assert boss.sent(path, body)["id"] != boss.sent(path, body)["id"]


@pytest.mark.parametrize("path", ["renders/{}/email/", "renders/{}/sign/"])
def test_without_a_key_the_same_people_are_bothered_once(person, boss, render, path):
    path, (body, others) = path.format(render.pk), REQUESTS[path]
    first = boss.sent(path, body)
    assert boss.sent(path, dict(reversed(body.items())))["id"] == first["id"]
    assert boss.sent(path, others[0][0])["id"] != first["id"]
    other = person("email_render", "add_signaturerequest", "view_share", "view_signaturerequest")
    assert other.sent(path, body)["id"] != first["id"]


@pytest.mark.parametrize("key", ["x" * 256, " ", "a b", "é", "a\tb"])
def test_a_key_that_is_none(boss, key):
    response = boss.ask("post", "renders/", BODY, key)
    assert (response.status_code, fields_of(response)) == (400, ["Idempotency-Key"])
    assert not Render.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", REQUESTS)
def test_two_posts_at_once_are_one(boss, path):
    render = make_render()
    path, (body, others) = path.format(render.pk), REQUESTS[path]
    answers: list[tuple[int, object]] = []

    def post(body: object) -> None:
        response = Caller(boss.user).ask("post", path, body, "key-1")
        answers.append((response.status_code, response.json().get("id")))

    assert at_once(lambda: post(body), lambda: post(body)) == [None, None]
    assert answers[0] == answers[1]
    assert answers[0][0] == 201
    answers.clear()
    at_once(lambda: post(body), lambda: post(others[0][0]))
    assert sorted(status for status, _ in answers) == [201, 422]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", REQUESTS)
def test_two_bodies_at_once_are_one_row(boss, path):
    render = make_render()
    path, (body, others) = path.format(render.pk), REQUESTS[path]
    answers: list[int] = []

    def post(body: object) -> None:
        answers.append(Caller(boss.user).ask("post", path, body, "key-1").status_code)

    before = sum(map(len, rows()))
    assert at_once(lambda: post(body), lambda: post(others[0][0])) == [None, None]
    assert sorted(answers) == [201, 422]
    assert sum(map(len, rows())) == before + 1
    assert not connection.in_atomic_block
