"""Who can have made a signature, and when."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from django_craftkit.sandbox import sign as sandbox_sign
from django_craftkit.webhooks.signature import is_genuine, is_timely, sign

NOW = 1_790_000_000.0
DAY = 86_400


def test_is_hmac_sha256_in_hexadecimal():
    assert sign(b"body", b"secret") == hmac.new(b"secret", b"body", hashlib.sha256).hexdigest()
    # The published vector of RFC 4231, test case 2.
    assert sign(b"what do ya want for nothing?", b"Jefe") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@given(body=st.binary(), secret=st.text(min_size=1).filter(str.strip))
def test_agrees_with_the_sandbox_on_every_body(body, secret):
    assert sign(body, secret.encode()) == sandbox_sign(secret, body)


@given(body=st.binary(), secrets=st.lists(st.binary(min_size=1), min_size=1, unique=True))
def test_any_of_the_secrets_will_do(body, secrets):
    for secret in secrets:
        assert is_genuine(body, sign(body, secret), secrets)


@given(body=st.binary(), secret=st.binary(min_size=1), other=st.binary(min_size=1))
def test_no_other_secret_will_do(body, secret, other):
    # HMAC fills short keys up with zeros and hashes long ones.
    assume(sign(b"", secret) != sign(b"", other))
    assert not is_genuine(body, sign(body, other), [secret])


@given(body=st.binary(), other=st.binary(), secret=st.binary(min_size=1))
def test_a_signature_is_for_one_body(body, other, secret):
    assert is_genuine(other, sign(body, secret), [secret]) == (body == other)


@given(body=st.binary(), signature=st.text(st.characters()), secrets=st.lists(st.binary()))
def test_nonsense_is_not_genuine_and_never_an_error(body, signature, secrets):
    assert not is_genuine(body, signature, secrets)


@pytest.mark.parametrize(
    "signature",
    ["\ud800" * 64, "\udcff", "é" * 64, "\0", "", pytest.param("0" * 10_000, id="long")],
)
def test_odd_characters_are_not_genuine_and_never_an_error(signature):
    assert not is_genuine(b"body", signature, [b"secret"])


def test_no_secret_makes_nothing_genuine():
    assert not is_genuine(b"body", "", [])
    assert not is_genuine(b"body", sign(b"body", b""), [])


def test_upper_case_and_blanks_around_are_the_same_signature():
    assert is_genuine(b"body", f" {sign(b'body', b'secret').upper()}\t", [b"secret"])


@pytest.mark.parametrize("begin", ["sha256=", "v1,", "0x"])
def test_a_part_of_a_signature_is_none(begin):
    signature = sign(b"body", b"secret")
    assert not is_genuine(b"body", begin + signature, [b"secret"])
    assert not is_genuine(b"body", signature[:-1], [b"secret"])
    assert not is_genuine(b"body", signature + "0", [b"secret"])


@pytest.mark.parametrize(
    ("off", "timely"), [(0, True), (-DAY, True), (DAY, True), (-DAY - 2, False), (DAY + 2, False)]
)
def test_the_window_has_two_sides(off, timely):
    assert is_timely(str(int(NOW) + off), DAY, NOW) is timely


@pytest.mark.parametrize(
    "timestamp",
    [
        *("", " ", "now", "-1", "+1790000000", "1790000000.5", "1_790_000_000", "1e9", "0x6ab"),
        *("\uff19", "\u00b2", "\u0661\u0662", "1790000000\n", "\ud800"),
        pytest.param("9" * 5_000, id="long"),
        pytest.param("1790000000000", id="milliseconds"),
    ],
)
def test_a_garbled_timestamp_is_never_timely_and_never_an_error(timestamp):
    assert not is_timely(timestamp, DAY, NOW)


@given(timestamp=st.text())
def test_any_text_is_answered(timestamp):
    assert is_timely(timestamp, DAY, NOW) in (True, False)


@pytest.mark.parametrize("timestamp", ["", "0", "now"])
def test_without_a_window_any_timestamp_will_do(timestamp):
    assert is_timely(timestamp, None, NOW)
