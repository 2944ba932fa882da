"""Renders as a partner lists them, and as a session sees its own."""

from __future__ import annotations

import pytest

from tests.sandbox.api.embed.conftest import bearer, refusal

PATH = "/v1/embed/renders"


def test_renders_are_listed_with_the_newest_first(api, mint, submit, clock, other):
    first = api.render().json()["id"]
    clock.advance(60)
    second = submit(mint()).json()["id"]

    listed = api.get(PATH).json()

    assert listed.keys() == {"renders", "total"}
    assert listed["total"] == 2
    assert [(each["id"], each["source"]) for each in listed["renders"]] == [
        (second, "form"),
        (first, "api"),
    ]
    assert api.get(f"/v1/renders/{second}").json().items() <= listed["renders"][0].items()
    assert other.get(PATH).json() == {"renders": [], "total": 0}


def test_a_list_has_pages(api):
    ids = [api.render().json()["id"] for _ in range(3)]

    def page(**query):
        answer = api.get(PATH, params=query).json()
        assert answer["total"] == 3
        return [each["id"] for each in answer["renders"]]

    assert page(limit=2) == ids[:0:-1]
    assert page(limit=2, offset=2) == ids[:1]
    assert page(offset=3) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "ten"), ("offset", "-1"), ("offset", "1.5")],
)
def test_a_page_that_is_none_is_refused(api, name, value):
    answer = api.get(PATH, params={name: value})

    assert refusal(answer) == (422, "invalid_request")
    assert list(answer.json()["error"]["issues"]["fieldErrors"]) == [name]


def test_a_session_sees_the_renders_of_its_own_form(api, guest, mint, submit):
    session, another = mint(), mint()
    own, foreign = submit(session).json()["id"], submit(another).json()["id"]
    by_key = api.render().json()["id"]

    for path in (PATH, "/v1/renders"):
        seen = guest.get(f"{path}/{own}", headers=bearer(session["session_token"]))
        assert (seen.status_code, seen.json()["status"]) == (200, "succeeded")
        for render_id in (foreign, by_key, "x"):
            hidden = guest.get(f"{path}/{render_id}", headers=bearer(session["session_token"]))
            assert refusal(hidden) == (404, "not_found")
    assert refusal(api.get(f"{PATH}/{own}")) == (401, "unauthorized")
    assert refusal(guest.get(f"{PATH}/{own}")) == (401, "unauthorized")
