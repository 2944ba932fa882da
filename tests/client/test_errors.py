from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.client import (
    AuthenticationError,
    Conflict,
    CraftkitConnectionError,
    CraftkitError,
    CreditsExhausted,
    InvalidData,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)
from django_craftkit.client.encoding import dumps
from django_craftkit.client.errors import BODY_LIMIT, from_answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ENVELOPES = st.dictionaries(
    st.sampled_from(["error", "code", "message", "issues", "fieldErrors", "formErrors"]),
    st.recursive(
        JSON,
        lambda inner: st.dictionaries(
            st.sampled_from(["code", "message", "issues", "fieldErrors", "formErrors", "a.b"]),
            inner,
        ),
    ),
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, InvalidResponse),
        (304, InvalidResponse),
        (400, InvalidRequest),
        (401, AuthenticationError),
        (402, CreditsExhausted),
        (403, PermissionDenied),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidRequest),
        (415, InvalidRequest),
        (418, InvalidRequest),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_the_status_decides_on_the_class(status: int, kind: type[CraftkitError]) -> None:
    error = from_answer(status, '{"error": {"code": "some_code"}}')
    assert type(error) is kind
    assert (error.status, error.code) == (status, "some_code")
    assert error.message


@pytest.mark.parametrize("status", range(400, 500))
def test_no_4xx_was_handled(status: int) -> None:
    assert from_answer(status, "").maybe_handled is False


@pytest.mark.parametrize("status", range(400, 500))
@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Not Found</html>",
        '{"message": "no Route matched"}',
        "[]",
        '{"error": "Not Found"}',
    ],
)
def test_a_refusal_without_a_code_may_be_anybodys_and_proves_nothing(
    status: int, body: str
) -> None:
    error = from_answer(status, body)
    # Too many calls are too many, whoever counts them.
    assert error.is_passing is (status != 429)
    assert error.proves_inaction is (status == 429)


@pytest.mark.parametrize("status", range(400, 500))
def test_a_refusal_with_a_code_is_craftkits_unless_it_is_about_this_moment(status: int) -> None:
    for body in ('{"error": {"code": "some_code"}}', '{"error": "some_code"}'):
        error = from_answer(status, body)
        assert error.is_passing is (status in (408, 421, 425))
        assert error.proves_inaction is not error.is_passing


def test_what_was_refused_here_is_not_passing_and_was_not_sent() -> None:
    assert not InvalidData().is_passing
    assert InvalidData().proves_inaction
    assert not CraftkitConnectionError().proves_inaction
    assert CraftkitConnectionError(maybe_handled=False).proves_inaction
    assert not from_answer(500, "").is_passing
    assert from_answer(503, '{"error": "queue_unavailable"}').proves_inaction


@pytest.mark.parametrize(
    ("status", "code", "handled"),
    [
        (500, "internal", True),
        (502, "email_send_failed", True),
        (502, "queue_unavailable", True),
        (503, "", True),
        (503, "degraded", True),
        (503, "queue_unavailable", False),
        (503, "email_not_configured", False),
        (503, "signatures_unavailable", False),
        (504, "", True),
        (302, "", True),
    ],
)
def test_other_failures_may_have_been_handled_unless_craftkit_says_not(
    status: int, code: str, handled: bool
) -> None:
    nested, flat = f'{{"error": {{"code": "{code}"}}}}', f'{{"error": "{code}"}}'
    assert from_answer(status, nested).maybe_handled is handled
    assert from_answer(status, flat).maybe_handled is handled


def test_both_envelopes_are_read() -> None:
    nested = from_answer(404, '{"error": {"code": "not_found", "message": "Render not found."}}')
    assert (nested.code, nested.message) == ("not_found", "Render not found.")
    flat = from_answer(401, '{"error": "invalid_credentials"}')
    assert (flat.code, flat.message) == ("invalid_credentials", AuthenticationError.message)
    told = from_answer(401, '{"error": "invalid_credentials", "message": "Unknown key."}')
    assert (told.code, told.message) == ("invalid_credentials", "Unknown key.")
    sentence = from_answer(500, '{"error": "Something went wrong"}')
    assert (sentence.code, sentence.message) == ("", "Something went wrong")


def test_a_proxys_page_is_kept_and_not_shown() -> None:
    error = from_answer(502, "<html>Bad gateway</html>", method="GET", path="/v1/templates")
    assert str(error) == "Craftkit failed. (502, GET /v1/templates)"
    assert error.body == "<html>Bad gateway</html>"


@pytest.mark.parametrize(
    ("issues", "fields", "form"),
    [
        ('{"fieldErrors": {"customer.name": ["Required"]}}', {"customer.name": ["Required"]}, []),
        ('{"formErrors": ["No"], "fieldErrors": {"customer": ["A", "B"]}}', ..., ["No"]),
        ('{"fieldErrors": {"a": "text", "b": [1, "x", null], "c": 7}}', ..., []),
        ('{"fieldErrors": [1], "formErrors": 3}', {}, []),
        ('"text"', {}, []),
        ("[]", {}, []),
        ("null", {}, []),
    ],
)
def test_issues_of_every_shape_are_read(issues: str, fields: Any, form: list[str]) -> None:
    body = f'{{"error": {{"code": "invalid_input_data", "issues": {issues}}}}}'
    error = from_answer(400, body)
    assert isinstance(error, InvalidRequest)
    if fields is not ...:
        assert error.field_errors == fields
    assert error.form_errors == form
    assert all(isinstance(m, str) for found in error.field_errors.values() for m in found)


def test_an_error_names_the_fields_and_never_quotes_what_was_said_of_them() -> None:
    error = from_answer(
        400,
        '{"error": {"code": "invalid_input_data", "message": "Does not match.",'
        ' "issues": {"fieldErrors": {"customer.name": ["received Ada Lovelace"]}}}}',
        method="POST",
        path="/v1/templates/invoice/render",
    )
    assert str(error) == (
        "Does not match. (400 invalid_input_data, POST /v1/templates/invoice/render)"
        " Fields: customer.name"
    )


def test_a_message_from_outside_stays_on_one_short_line() -> None:
    error = from_answer(
        500, '{"error": {"message": "a\\nERROR forged\\u001b[31m' + "x" * 999 + '"}}'
    )
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 350


def test_a_body_is_kept_short() -> None:
    assert from_answer(500, "x" * 9_999).body == "x" * BODY_LIMIT
    assert from_answer(500, "").body is None


def test_no_body_keeps_a_link_to_a_document() -> None:
    body = '{"shares": [{"id": 1, "shareToken": "s", "shareUrl": "s"}], "download_url": "s"}'
    assert from_answer(500, body).body == {"shares": [{"id": 1}]}
    assert from_answer(500, body + " " * BODY_LIMIT).body is None
    assert from_answer(500, body[:-1]).body is None


def test_errors_survive_a_pickle() -> None:
    error = from_answer(
        422, '{"error": {"code": "x", "issues": {"formErrors": ["No"]}}}', retry_after=3.0
    )
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again), str(again)) == (type(error), vars(error), str(error))


def test_an_endlessly_nested_body_is_just_text() -> None:
    error = from_answer(400, "[" * 100_000)
    assert isinstance(error.body, str)
    assert isinstance(from_answer(400, "[" * 900 + "]" * 900).body, str)


@given(st.integers(300, 999), st.text() | ENVELOPES.map(lambda body: _json(body)))
def test_any_answer_at_all_becomes_an_error_of_ours(status: int, text: str) -> None:
    error = from_answer(status, text, method="GET", path="/v1/renders/x")
    assert isinstance(error, CraftkitError)
    assert isinstance(error.code, str)
    assert "\n" not in str(error)
    assert len(str(error)) < 1_000
    dumps(error.body if not _has_surrogate(error.body) else None)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _has_surrogate(value: Any) -> bool:
    try:
        str(value).encode()
        repr(value).encode()
    except UnicodeEncodeError:
        return True
    return "\\ud" in repr(value)
