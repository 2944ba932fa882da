"""What anybody may send: of any depth, size and kind. Never a 500, and never a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.api.fields import ExpiryField, MomentFilter
from django_craftkit.models import Render, Share
from tests.admin.conftest import make_render

from .conftest import PREFIX, fields_of
from .test_renders import BODY

pytestmark = pytest.mark.django_db

JSON = "application/json"


def nested(depth: int) -> str:
    return f'{{"template": "invoice", "data": {{"a": {"[" * depth}1{"]" * depth}}}}}'


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '"invoice"',
        "[" * 100_000,
        '{"a":' * 100_000,
        nested(30),
        nested(3000),
        '{"template": "invoice", "data": {"a": NaN}}',
        '{"template": "invoice", "data": {"a": -Infinity}}',
        '{"template": "invoice", "data": {"a": 1e400}}',
        f'{{"template": "invoice", "data": {{"a": {"9" * 5000}}}}}',
        '{"template": "invoice", "data": {"a": "\\u0000"}}',
        '{"template": "invoice", "data": {"\\ud800": 1}}',
        '{"template": "\\ud800", "data": {}}',
        '{"template": "in\\u0000voice", "data": {}}',
        b"\xff\xfe",
        json.dumps(BODY).encode("utf-16"),
        b'{"template": "invoice", "data": {"a": "\xe9"}}',
    ],
    ids=lambda body: repr(body)[:40],
)
def test_odd_json_is_refused(boss, body):
    response = boss.post(f"{PREFIX}renders/", body, content_type=JSON)
    assert response.status_code == 400
    fields_of(response)
    assert not Render.objects.exists()


def test_what_is_just_within_the_limits_is_taken(boss):
    body = nested(28)
    response = boss.post(f"{PREFIX}renders/", body, content_type=JSON)
    assert response.status_code == 201
    assert response.json()["data"] == json.loads(body)["data"]
    large = {"template": "invoice", "data": {"n": 2**62, "x": "é" * 1000, "f": 0.1}}
    made = boss.sent("renders/", large, "key-1")
    assert made["data"] == large["data"]
    assert boss.sent("renders/", large, "key-1") == boss.got(f"renders/{made['id']}/")


def test_a_body_has_the_size_that_django_allows(boss, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = json.dumps({**BODY, "data": {"a": "x" * 100}})
    response = boss.post(f"{PREFIX}renders/", body, content_type=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert boss.post(f"{PREFIX}renders/", body, content_type=JSON).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "odd",
    ],
)
@pytest.mark.parametrize("path", ["renders/", "renders/{}/share/"])
def test_what_is_no_json_by_its_content_type_is_refused(boss, path, content_type):
    path = f"{PREFIX}{path}".format(make_render().pk)
    response = boss.generic("POST", path, json.dumps(BODY), content_type=content_type)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert not Share.objects.exists()


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "odd", "bz2"])
def test_json_is_utf_8_whatever_is_said_of_it(boss, charset):
    content_type = f"{JSON}; charset={charset}"
    response = boss.generic("POST", f"{PREFIX}renders/", json.dumps(BODY), content_type)
    assert response.status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/pdf", "odd"])
def test_only_json_is_answered(boss, accept):
    for path in ("renders/", f"renders/{make_render().pk}/"):
        response = boss.get(PREFIX + path, headers={"accept": accept})
        assert (response.status_code, response["Content-Type"]) == (406, JSON)
        assert fields_of(response) == []


@pytest.mark.parametrize("query", ["format=xml", "format=pdf", "format=api"])
def test_no_other_format_is_there(boss, query):
    response = boss.get(f"{PREFIX}renders/?{query}")
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize("path", ["renders/{}/retry/", "renders/{}/withdraw/"])
def test_what_takes_no_body_takes_any(boss, path):
    render = make_render("failed", data={})
    response = boss.generic("POST", f"{PREFIX}{path}".format(render.pk), "odd", "text/plain")
    assert response.status_code == 200


def test_addresses_of_no_row(boss):
    for pk in ("0", "9" * 18):
        assert boss.ask("get", f"renders/{pk}/").status_code == 404
    for pk in ("9" * 19, "-1", "1.0", "x", "٣", "%00"):
        assert boss.ask("get", f"renders/{pk}/").status_code == 404


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
NAMES = st.sampled_from(
    [
        *("template", "data", "source", "version", "project", "type", "id", "metadata", "reason"),
        *("message", "expires_at", "channel", "recipient_email", "recipient_name", "recipients"),
        *("fields", "anchor_tags", "name", "expires_in_hours", "filename"),
    ]
)


@given(
    body=st.dictionaries(NAMES, ANY | st.dictionaries(NAMES, ANY, max_size=4), max_size=6) | ANY,
    path=st.sampled_from(["", "1/share/", "1/email/", "1/sign/", "1/record/"]),
)
def test_no_json_is_too_odd(boss, body, path):
    if not Render.objects.filter(pk=1).exists():
        make_render(pk=1)
    try:
        text = json.dumps(body)
    except ValueError:
        return
    response = boss.post(f"{PREFIX}renders/{path}", text, content_type=JSON)
    assert response.status_code in (201, 204, 400, 409, 422)
    if response.status_code == 400:
        fields_of(response)


def test_a_moment_is_the_same_one_where_a_site_has_no_time_zones(settings):
    field = ExpiryField()
    aware = field.run_validation("2040-07-01T12:00:00+02:00")
    assert aware == datetime(2040, 7, 1, 10, tzinfo=UTC)
    settings.USE_TZ = False
    assert field.run_validation("2040-07-01T10:00:00Z") == datetime(2040, 7, 1, 13)  # noqa: DTZ001


def test_a_filter_means_the_same_moment_where_a_site_has_no_time_zones(boss, settings):
    field = MomentFilter("requested_at", "gte").field
    assert field.clean("2040-07-01T10:00:00Z") == datetime(2040, 7, 1, 10, tzinfo=UTC)
    settings.USE_TZ = False
    local = datetime(2040, 7, 1, 13)  # noqa: DTZ001
    assert field.clean("2040-07-01T10:00:00Z") == field.clean("2040-07-01T13:00") == local
    assert boss.got("renders/?requested_after=2040-07-01T10:00:00Z")["results"] == []
    for odd in ("0001-01-01T00:00:00%2B05:00", "9999-12-31T23:59:59-05:00"):
        boss.got(f"renders/?requested_after={odd}", 400)


def test_moments_are_written_as_ever_whatever_a_project_s_own_are(boss, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DATETIME_INPUT_FORMATS": ["%d.%m.%Y"]}
    path = f"renders/{make_render().pk}/share/"
    boss.sent(path, {"expires_at": "2999-01-01T00:00:00Z"})
    boss.sent(path, {"expires_at": "01.01.2999"}, status=400)


def test_an_answer_lists_no_more_errors_than_anybody_reads(boss):
    odd = {f"field {number}": 7 for number in range(1000)}
    response = boss.ask("post", "renders/", {**BODY, **odd})
    assert response.status_code == 400
    assert fields_of(response) == sorted(odd)[:100]


@pytest.mark.parametrize("name", ["recipients", "fields", "anchor_tags"])
def test_a_list_is_counted_before_its_items_are_looked_at(boss, name):
    """A body holds more than a million."""
    path = f"renders/{make_render().pk}/sign/"
    body = {"recipients": [{"first_name": "Jane", "email": "jane@example.com"}]}
    response = boss.ask("post", path, {**body, name: [7] * 201})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["code"]) == (400, name, "max_length")
