"""What is stored of the people who open documents: no more than the settings allow."""

from __future__ import annotations

import hashlib
import json
import uuid

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.models import EngagementEvent, WebhookDelivery
from django_craftkit.privacy import kept_address, kept_body, kept_user_agent
from tests.helpers import settle

ADDRESS = "203.0.113.77"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Vermeer/1665"
LINK = "https://cdn.example.com/for-ever.pdf"


def event(**more: object) -> bytes:
    said = {
        "event": "document.viewed",
        "renderId": str(uuid.uuid4()),
        "templateId": str(uuid.uuid4()),
        "shareId": None,
        "eventId": str(uuid.uuid4()),
        "eventType": "viewed",
        "actorKind": "recipient",
        "sourceIp": ADDRESS,
        "userAgent": BROWSER,
        "metadata": None,
        "createdAt": "2026-06-05T11:03:00.000Z",
    }
    return json.dumps(said | more).encode()


def stored() -> bytes:
    """The body as it lies in the database, read past the models."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM craftkit_webhookdelivery")
        return b"".join(bytes(body) for (body,) in cursor.fetchall())


@pytest.mark.parametrize(
    ("given_", "full", "truncated"),
    [
        ("203.0.113.77", "203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("2001:0DB8:0001:0000:0000:0000:0000:0006", "2001:db8:1::6", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::1", "fe80::"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0"),
        ("2002:cb00:714d::1", "2002:cb00:714d::1", "203.0.113.0"),
        ("::1", "::1", "::"),
        ("0.0.0.0", "0.0.0.0", "0.0.0.0"),
        ("", None, None),
        (None, None, None),
        ("unknown", None, None),
        ("203.0.113", None, None),
        ("203.0.113.77:443", None, None),
        ("203.0.113.77, 198.51.100.1", None, None),
        ("Ada, 12 Elm Street", None, None),
        ("1" * 5000, None, None),
        ("\0", None, None),
    ],
)
def test_what_is_kept_of_an_address(settings, given_, full, truncated):
    assert kept_address(given_) == truncated, "the default"
    for how, kept in (("full", full), ("truncated", truncated), ("none", None)):
        settings.CRAFTKIT = {"ENGAGEMENT_STORE_IP": how}
        assert kept_address(given_) == kept


def test_what_is_kept_of_a_browser(settings):
    assert kept_user_agent(BROWSER) == BROWSER
    assert kept_user_agent("a\0" * 5000) == "a" * 512
    assert kept_user_agent("\ud800") == "?"
    assert kept_user_agent(None) == ""
    settings.CRAFTKIT = {"ENGAGEMENT_STORE_USER_AGENT": False}
    assert kept_user_agent(BROWSER) == ""


@given(st.ip_addresses())
def test_a_truncated_address_is_that_of_many(address):
    kept = kept_address(str(address))
    assert kept == kept_address(kept)
    assert kept_address(f"::ffff:{address}") == kept if address.version == 4 else True


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["full", "truncated", "none"])
@pytest.mark.parametrize("browser", [True, False])
def test_a_stored_webhook_holds_no_more_than_is_allowed(settings, how, browser):
    settings.CRAFTKIT = {
        "ENGAGEMENT_STORE_IP": how,
        "ENGAGEMENT_STORE_USER_AGENT": browser,
    }
    body = event(downloadUrl=LINK)
    WebhookDelivery.objects.store("default", "1", body)
    assert (ADDRESS.encode() in stored()) == (how == "full")
    assert (b"203.0.113." in stored()) == (how != "none")
    assert (BROWSER.encode() in stored()) == browser
    assert LINK.encode() not in stored()
    delivery = WebhookDelivery.objects.get()
    assert delivery.body_hash == hashlib.sha256(body).hexdigest(), "of what was signed"
    said, kept = json.loads(body), json.loads(bytes(delivery.body))
    for name in ("sourceIp", "userAgent", "downloadUrl"):
        said.pop(name)
        kept.pop(name, None)
    assert kept == said, "the rest is as it came"


@pytest.mark.django_db
def test_the_same_webhook_is_known_by_the_bytes_that_came():
    """Two that differ in nothing but what is dropped are two."""
    body = event()
    for address in (ADDRESS, ADDRESS, "203.0.113.78"):
        said = body.replace(ADDRESS.encode(), address.encode())
        WebhookDelivery.objects.store("default", "", said)
    assert WebhookDelivery.objects.count() == 2


SPELLINGS = {
    "plain": event(),
    "nested": json.dumps({"event": "document.viewed", "data": json.loads(event())}).encode(),
    "in a list": b"[" + event() + b"]",
    "in escapes": event().replace(b"sourceIp", rb"source\u0049p").replace(b"userA", rb"user\u0041"),
    "UTF-16": event().decode().encode("utf-16"),
    "UTF-32": event().decode().encode("utf-32-be"),
    "with a BOM": b"\xef\xbb\xbf" + event(),
    "named twice": b'{"sourceIp": "203.0.113.77", ' + event()[1:],
    "a list of them": event(sourceIp=[ADDRESS], userAgent={"name": BROWSER}),
    "a number that is too long": event(more="x").replace(b'"x"', b"9" * 5000),
    "too deep": event(more="x").replace(b'"x"', b"[" * 100_000),
    "no end": event()[:-1],
    "no UTF-8": event(more="x").replace(b'"x"', b'"\xff"'),
    "spread out": event().replace(b": ", b"\t:\r\n  ") + b"}",
    "a quote in it": event(userAgent=f'"{BROWSER}" \\ "{BROWSER}"') + b",",
    "two bodies": event() + event(),
}


@pytest.mark.parametrize("body", SPELLINGS.values(), ids=SPELLINGS)
def test_however_it_is_spelled(settings, body):
    settings.CRAFTKIT = {"ENGAGEMENT_STORE_IP": "none", "ENGAGEMENT_STORE_USER_AGENT": False}
    kept = kept_body(body).replace(b"\0", b"")
    assert ADDRESS.encode() not in kept
    assert b"Vermeer" not in kept


@given(st.integers(0, len(event())))
def test_whatever_is_cut_off(length):
    kept = kept_body(event()[:length])
    assert ADDRESS.encode() not in kept
    assert length == len(event()) or b"Vermeer" not in kept


@given(st.data())
def test_whichever_byte_is_wrong(data):
    """But for those of the names: of what has no name nobody knows what it is."""
    body = bytearray(event(downloadUrl=LINK))
    harmless = [
        place
        for place in range(len(body))
        if not any(
            place in range(body.index(word), body.index(word) + len(word))
            for word in (b"sourceIp", b"userAgent", b"downloadUrl", ADDRESS.encode(), b"Vermeer")
        )
    ]
    body[data.draw(st.sampled_from(harmless))] = data.draw(st.integers(0, 255))
    try:
        json.loads(body)
    except ValueError:
        kept = kept_body(bytes(body))
        assert ADDRESS.encode() not in kept
        assert b"for-ever" not in kept


#: Values and texts that are most likely to be taken for the end, or the beginning, of a field.
TEXTS = st.text(alphabet='"\\ ,:{}[]a\n', max_size=6) | st.sampled_from(
    ["downloadUrl", '"downloadUrl"', '"downloadUrl": "x", ', ', "downloadUrl', LINK]
)
FIELDS = st.sampled_from(["downloadUrl", "a", "event", '"downloadUrl"', "metadata"]) | TEXTS
PAYLOADS = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(FIELDS, inside, max_size=4),
    max_leaves=12,
)


def without_link(value):
    if isinstance(value, list):
        return [without_link(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item if name == "metadata" else without_link(item)
        for name, item in value.items()
        if name != "downloadUrl"
    }


@given(
    PAYLOADS,
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]),
)
def test_a_link_is_all_that_its_body_loses(payload, indent, separators):
    body = json.dumps(payload, indent=indent, separators=separators).encode()
    assert json.loads(kept_body(body)) == without_link(payload)


def test_a_link_is_cut_out_of_what_stays_byte_for_byte():
    before, after = b'{"event":"render.succeeded", ', b'"n": 1.0, "at" :null }'
    for link in (LINK.encode(), b""):
        assert kept_body(before + b'"downloadUrl": "' + link + b'",\n' + after) == before + after


@given(st.binary(max_size=200) | st.text().map(str.encode), st.sampled_from([b"sourceIp", b"\\u"]))
def test_no_bytes_are_too_odd_for_the_door(body, more):
    kept_body(more + body)
    kept_body(b'{"' + more + b'": "' + body + b'"}')


@pytest.mark.parametrize("depth", [900, 980, 990, 1000, 1100])
def test_no_depth_is_too_deep_for_the_door(depth):
    inside = b'{"a":' * depth + b"1" + b"}" * depth
    assert ADDRESS.encode() not in kept_body(event(x="x").replace(b'"x"}', inside + b"}"))


def test_what_names_nobody_is_kept_byte_for_byte():
    for body in (b"", b'{ "a":1}', b'{"a": "\\u00e9"}', b"\xff", b"[NaN]", b'{"a": "\\ud800"}'):
        assert kept_body(body) == body


def test_what_this_site_has_told_itself_is_kept_as_it_was():
    told = {"sourceIp": "the cellar", "userAgent": "Ada"}
    assert json.loads(kept_body(event(metadata=told)))["metadata"] == told


@pytest.mark.parametrize("how", ["full", "truncated", "none"])
@pytest.mark.parametrize("way", ["webhook", "poll"])
def test_an_event_holds_no_more_than_is_allowed(craftkit, settings, how, way):
    from django_craftkit.models import Render

    settings.CRAFTKIT = {
        "ENGAGEMENT_STORE_IP": how,
        "ENGAGEMENT_STORE_USER_AGENT": how == "full",
    }
    render = Render.objects.request("invoice", {})
    share = render.share()
    craftkit.run()
    if way == "poll":
        craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.open(share, ip="2001:db8:1:2:3:4:5:6")
    render.refresh_from_db()
    render.refresh()
    settle(craftkit)
    seen = EngagementEvent.objects.get(type="viewed")
    assert (
        seen.ip_address
        == {
            "full": "2001:db8:1:2:3:4:5:6",
            "truncated": "2001:db8:1::",
            "none": None,
        }[how]
    )
    assert bool(seen.user_agent) == (how == "full")
    assert (b"2001:db8:1:2" in stored()) == (how == "full" and way == "webhook")
