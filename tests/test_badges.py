"""The badge's refresh: whoever was shown a badge may ask again, and hears nothing else."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client, RequestFactory, override_settings
from django.urls import resolve, reverse
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

import django_craftkit
from django_craftkit import badges
from django_craftkit.badges import MAX_AGE, MAX_BADGES, signature_token_of, token_of
from django_craftkit.models import Render, SignatureRecipient, SignatureRequest

pytestmark = pytest.mark.django_db

URL = "/craftkit/statuses/"
SCRIPT = Path(django_craftkit.__file__).parent / "static/django_craftkit/badges.js"


def make(number: int = 1, status: str = "pending") -> list[Render]:
    keys = [f"key-{n}" for n in range(number)]
    return Render.objects.bulk_create(
        [
            Render(template="invoice", key=key, key_hash=key, status=status, data={"price": "7"})
            for key in keys
        ]
    ) and list(Render.objects.order_by("pk"))


def make_requests(number: int = 1, status: str = "sent") -> list[SignatureRequest]:
    (render,) = make(status="succeeded")
    for count in range(number):
        request = SignatureRequest.objects.create(
            render=render, key=str(count), key_hash=str(count), status=status
        )
        for position in range(2):
            SignatureRecipient.objects.create(
                request=request, position=position, first_name="Ada", email="ada@example.com"
            )
    return list(SignatureRequest.objects.order_by("pk"))


FORM = "application/x-www-form-urlencoded"


def ask(*tokens: str, client: Client | None = None):
    body = urlencode({"token": tokens}, doseq=True)
    client = client or Client(enforce_csrf_checks=True)
    return post(body, FORM, client)


def post(body: bytes | str, content_type: str, client: Client):
    """Send bytes as they are; the test client's ``post`` would encode them."""
    # Of a body that is empty it tells no type by itself.
    return client.generic("POST", URL, body, CONTENT_TYPE=content_type)


def test_tells_status_label_and_whether_it_is_final_and_nothing_else():
    (render,) = make()
    token = token_of(render)  # it holds the second
    assert ask(token).json() == {token: {"status": "pending", "label": "pending", "final": False}}


@pytest.mark.parametrize(
    ("status", "label", "final"),
    [
        ("pending", "pending", False),
        ("queued", "queued", False),
        ("rendering", "rendering", False),
        ("succeeded", "ready", True),
        ("failed", "failed", True),
        ("cancelled", "cancelled", True),
        ("rejected", "rejected", True),
    ],
)
def test_knows_every_status(status, label, final):
    (render,) = make(status=status)
    (said,) = ask(token_of(render)).json().values()
    assert said == {"status": status, "label": label, "final": final}


@pytest.mark.parametrize(
    ("status", "shown"),
    [("pending", "pending"), ("succeeded", "withdrawn"), ("failed", "withdrawn")],
)
def test_says_that_a_document_was_withdrawn_once_it_has_ended(status, shown):
    (render,) = make(status=status)
    Render.objects.update(withdrawn_at=timezone.now())
    (said,) = ask(token_of(render)).json().values()
    assert said == {"status": shown, "label": shown, "final": shown != status}


def tampered(token: str) -> list[str]:
    pk, moment, signature = token.split(":")
    return [
        f"{int(pk) + 1}:{moment}:{signature}",
        f"{pk}:{moment}x:{signature}",
        f"{pk}:{moment}:{signature[:-2]}",
        f"{pk}:{moment}",
        pk,
        "",
        ":",
        "::",
        "\0",
        "é:é:é",
        "9" * 5_000,
        signing.TimestampSigner(salt="another").sign(pk),
    ]


def test_a_token_that_was_tampered_with_is_not_answered():
    renders = make(2)
    response = ask(*tampered(token_of(renders[0])))
    assert (response.status_code, response.json()) == (200, {})


def test_one_bad_token_costs_the_others_nothing():
    (render,) = make()
    assert list(ask("bad", token_of(render), "worse").json()) == [token_of(render)]


@given(body=st.binary(max_size=200).map(lambda text: b"token=" + text))
@example(b"token=\xff\xfe&token=%ff&=&;")
@example(b"token=" + "½:²:x".encode())
@example(b"token=%ED%A0%80:1:x")
def test_any_bytes_are_answered(body):
    response = post(body, FORM, Client())
    assert (response.status_code, response.json()) == (200, {})


@given(token=st.text(st.characters(), max_size=60))
@example("\ud800:1:x")
@example("1:\ud800:x")
@example("½:1:x")
def test_what_is_no_token_stands_for_nothing(token):
    for salt in (badges._SALT, badges._SIGNATURE_SALT):
        assert badges._genuine([token], salt) == {}


MULTIPART = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "content_type",
    [
        *(MULTIPART, f"{MULTIPART}; charset=unicode_escape", f"{MULTIPART}; charset=hex"),
        *("application/json", "text/plain", "", "application/x-www-form-urlencoded-too"),
    ],
)
def test_another_kind_of_body_is_refused_before_anybody_reads_it(content_type):
    said = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n'
    body = said + rb"\ud800:1:x" + b"\r\n--x--\r\n"
    response = post(body, content_type, Client(raise_request_exception=False))
    assert (response.status_code, response.content) == (415, b"")


@pytest.mark.parametrize("charset", ["utf-16", "hex", "unicode_escape", "none-such", "UTF-8"])
def test_a_charset_of_the_senders_choice_is_no_500(charset):
    client = Client(raise_request_exception=False)
    response = post("token=%5Cud800:1:x", f"{FORM}; charset={charset}", client)
    assert response.status_code in (200, 400)


@pytest.mark.parametrize("body", ["token=x&" * 1_001, "token=" + "x" * 2_700_000])
def test_more_than_a_page_asks_for_is_no_500(body):
    response = post(body, FORM, Client(raise_request_exception=False))
    assert response.status_code in (400, 413)


def test_a_visitor_who_is_gone_in_mid_body_is_no_500():
    class Gone(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise ConnectionResetError("gone")

    environ = {"wsgi.input": Gone(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": FORM}
    request = RequestFactory().generic("POST", URL, **environ)
    assert badges.statuses(request).status_code == 400


def test_a_token_ends_with_the_day(monkeypatch):
    (render,) = make()
    token = token_of(render)
    monkeypatch.setattr(badges, "MAX_AGE", -1)
    assert ask(token).json() == {}
    assert MAX_AGE == 86_400


def test_a_document_that_is_gone_is_left_out():
    (render,) = make()
    token = token_of(render)
    render.delete()
    assert ask(token).json() == {}


def test_as_many_badges_as_a_page_holds_cost_one_query(django_assert_num_queries):
    renders = make(MAX_BADGES + 1)
    tokens = [token_of(render) for render in renders]
    with django_assert_num_queries(1):
        answer = ask(*tokens).json()
    assert list(answer) == tokens[:MAX_BADGES]


def test_nothing_to_tell_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ask().json() == {}
        assert ask("bad").json() == {}


def test_a_visitor_may_ask_where_the_site_asks_for_a_login():
    (render,) = make()
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, required]):
        assert token_of(render) in ask(token_of(render)).json()
    assert not resolve(URL).func.login_required


def test_asks_for_no_session(django_assert_num_queries):
    (render,) = make()
    client = Client()
    client.force_login(User.objects.create_user("somebody"))
    with django_assert_num_queries(1):
        ask(token_of(render), client=client)


def test_is_never_kept_by_a_cache():
    assert "no-store" in ask()["Cache-Control"]


@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_changes_nothing_and_has_one_method(client, method):
    assert getattr(client, method)(URL).status_code == 405


def test_its_script_asks_for_no_more_than_is_answered():
    assert reverse("craftkit:statuses") == URL
    (most,) = re.findall(r"^const MOST = (\d+);$", SCRIPT.read_text(), re.MULTILINE)
    assert int(most) == MAX_BADGES


def test_tells_of_a_signature_request_how_many_have_signed_and_of_nobody():
    (request,) = make_requests()
    token = signature_token_of(request)
    assert ask(token).json() == {
        token: {"status": "sent", "label": "sent, 0 of 2 signed", "final": False, "signed": 0}
    }


def test_a_token_of_one_kind_is_none_of_the_other():
    """A document and a request may have the same primary key."""
    (render,) = make(status="succeeded")
    request = SignatureRequest.objects.create(pk=render.pk, render=render, status="sent")
    tokens = [signature_token_of(request), token_of(render)]
    assert tokens[0].split(":")[0] == tokens[1].split(":")[0]
    said = ask(*tokens).json()
    assert [said[token]["status"] for token in tokens] == ["sent", "succeeded"]


def test_a_token_of_a_request_that_was_tampered_with_is_not_answered():
    requests = make_requests(2)
    assert ask(*tampered(signature_token_of(requests[0]))).json() == {}


def test_badges_of_both_kinds_cost_three_queries(django_assert_num_queries):
    requests = make_requests(5)
    tokens = [signature_token_of(request) for request in requests]
    tokens.append(token_of(requests[0].render))
    with django_assert_num_queries(3):
        assert list(ask(*tokens).json()) == tokens
    with django_assert_num_queries(2):
        ask(*tokens[:-1])
