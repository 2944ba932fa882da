"""Arguments of the wrong kind are told at the door: in words, before the first query."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.serializers.json import DjangoJSONEncoder
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.timezone import now
from django.utils.translation import gettext_lazy

from django_craftkit.models import Render, RenderFailed, Share, SignatureRequest
from django_craftkit.models.arguments import LATEST
from django_craftkit.signing import AnchorTag, Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

ADA = [Recipient("Ada", "Byron", "ada@example.com")]
TAGS = [AnchorTag("{{sign_here}}", "signature", recipient=0)]
NOBODY = SimpleLazyObject(AnonymousUser)


def request(**more: Any) -> Render:
    arguments = {"template": "invoice", "data": {}, "key": "k", **more}
    return Render.objects.request(**arguments)


def a_render() -> Render:
    return Render(pk=1, template="invoice", key="k", status="succeeded")


def a_share() -> Share:
    return Share(pk=1, render=a_render(), status="active")


def a_signature() -> SignatureRequest:
    return SignatureRequest(pk=1, render=a_render(), status="sent")


def sign(**more: Any) -> SignatureRequest:
    return a_render().send_for_signature(ADA, anchor_tags=TAGS, **more)


#: What takes a user, a key, or seconds to wait.
WHO = {
    "request": lambda **given: request(**given),
    "render.retry": lambda **given: a_render().retry(**given),
    "render.withdraw": lambda **given: a_render().withdraw(**given),
    "render.share": lambda **given: a_render().share(**given),
    "render.email": lambda **given: a_render().email("ada@example.com", **given),
    "send_for_signature": sign,
    "share.revoke": lambda **given: a_share().revoke(**given),
    "share.retry": lambda **given: a_share().retry(**given),
    "signature.cancel": lambda **given: a_signature().cancel(**given),
    "signature.retry": lambda **given: a_signature().retry(**given),
}
KEYED = ("request", "render.share", "render.email", "send_for_signature")


def refused(
    queries: Callable[[int], Any], error: type[Exception], word: str, act: Callable[[], object]
) -> None:
    with queries(0), pytest.raises(error, match=word):
        act()


@pytest.mark.parametrize("call", WHO.values(), ids=WHO)
@pytest.mark.parametrize(
    ("user", "error"),
    [
        (AnonymousUser(), TypeError),
        (NOBODY, TypeError),
        ("ada", TypeError),
        (7, TypeError),
        (User(username="ada"), ValueError),
    ],
    ids=["anonymous", "lazily anonymous", "text", "number", "unsaved"],
)
def test_a_user_is_a_saved_user_or_none(db, django_assert_num_queries, call, user, error):
    refused(django_assert_num_queries, error, "user=", lambda: call(user=user))


@pytest.mark.parametrize("call", WHO.values(), ids=WHO)
@pytest.mark.parametrize(
    ("wait", "error"), [("5", TypeError), (None, TypeError), (-1, ValueError), (1e400, ValueError)]
)
def test_who_waits_says_for_how_long(db, django_assert_num_queries, call, wait, error):
    refused(django_assert_num_queries, error, "wait=", lambda: call(wait=wait))


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize(
    ("key", "error"),
    [
        (7, TypeError),
        (b"k", TypeError),
        ("", ValueError),
        (" ", ValueError),
        ("k" * 256, ValueError),
    ],
)
def test_a_key_is_text(db, django_assert_num_queries, name, key, error):
    refused(django_assert_num_queries, error, "(?i)key", lambda: WHO[name](key=key))


@pytest.mark.parametrize("name", ["render.share", "render.email"])
@pytest.mark.parametrize(
    ("expires_at", "error"),
    [
        (date(2040, 1, 1), TypeError),
        (timedelta(days=7), TypeError),
        ("2040-01-01", TypeError),
        (datetime(2040, 1, 1), ValueError),  # noqa: DTZ001
        (datetime(9999, 12, 31, 23, 59, tzinfo=UTC), ValueError),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=14))), ValueError),
        (datetime(2020, 1, 1, tzinfo=UTC), ValueError),
    ],
)
def test_a_link_ends_at_a_moment_to_come(db, django_assert_num_queries, name, expires_at, error):
    """One that each time zone has: what is later can't be shown east or west of here."""
    refused(
        django_assert_num_queries, error, "expires_at", lambda: WHO[name](expires_at=expires_at)
    )


def test_an_aware_moment_is_refused_where_the_sites_are_naive(db, django_assert_num_queries):
    with override_settings(USE_TZ=False):
        refused(
            django_assert_num_queries,
            ValueError,
            "expires_at",
            lambda: a_render().share(expires_at=datetime(2040, 1, 1, tzinfo=UTC)),
        )


def test_a_link_may_end_as_late_as_every_zone_can_tell(craftkit):
    render = request()
    share = render.share(expires_at=LATEST)
    craftkit.run()
    share.refresh_from_db()
    assert (share.status, share.expires_at) == ("active", LATEST)


@pytest.mark.parametrize(
    ("template", "error"), [(7, TypeError), (None, TypeError), ("", ValueError)]
)
def test_a_template_is_named_by_its_slug(db, django_assert_num_queries, template, error):
    refused(django_assert_num_queries, error, "template", lambda: request(template=template))


@pytest.mark.parametrize("given", [[1], "text", None, 7])
def test_data_and_metadata_are_dicts(db, django_assert_num_queries, given):
    refused(django_assert_num_queries, TypeError, "data", lambda: request(data=given))
    if given is not None:
        render = a_render()
        render.remote_id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
        refused(
            django_assert_num_queries,
            TypeError,
            "metadata",
            lambda: render.record("viewed", given),
        )


@pytest.mark.parametrize(
    "act",
    [
        lambda: a_render().share(message=7),
        lambda: a_render().email("ada@example.com", recipient_name=b"Ada"),
        lambda: a_signature().cancel(reason=7),
    ],
)
def test_texts_are_text(db, django_assert_num_queries, act):
    refused(django_assert_num_queries, TypeError, "write a str", act)


def test_a_lazy_user_who_is_somebody_is_that_user(db):
    ada = User.objects.create(username="ada")
    render = request(user=SimpleLazyObject(lambda: User.objects.get(username="ada")))
    assert Render.objects.get(pk=render.pk).requested_by == ada


@pytest.mark.parametrize("wait", [True, 5, 0.5])
def test_wait_lets_a_request_wait_for_so_long(db, monkeypatch, wait):
    waited = []
    monkeypatch.setattr(Render, "_carry_out", lambda self, timeout=30.0: waited.append(timeout))
    request(wait=wait)
    assert waited == [30.0 if wait is True else wait]


def test_a_document_that_is_not_ready_has_not_failed(craftkit):
    render = request()
    with pytest.raises(FileNotFoundError, match="isn't ready"):
        render.open()
    craftkit.sandbox.faults.add("render_failed", times=1)
    craftkit.run()
    craftkit.pass_time(30)
    craftkit.run()
    render.refresh_from_db()
    with pytest.raises(RenderFailed):
        render.open()


def test_why_a_ready_document_is_not_tried_again_is_logged(craftkit, caplog):
    render = request()
    craftkit.run()
    with caplog.at_level("INFO", "django_craftkit.models.render"):
        assert not render.retry()
    assert f"Document {render.pk} is not tried again: it is succeeded" in caplog.text


def test_a_moment_in_the_very_next_minute_is_one_to_come(craftkit):
    share = request().share(expires_at=now() + timedelta(minutes=1))
    craftkit.run()
    share.refresh_from_db()
    assert share.status == "active"


KOLKATA = timezone(timedelta(hours=5, minutes=30))
FORMS = [
    (Decimal("1E+2"), "100"),
    (Decimal("0E-8"), "0.00000000"),
    (Decimal("1.50"), "1.50"),
    (datetime(2026, 6, 5, 1, 0, tzinfo=KOLKATA), "2026-06-04T22:30:00.000+03:00"),
    (datetime(2026, 6, 5, 1, 0), "2026-06-05T01:00:00.000"),  # noqa: DTZ001
    (date(2026, 6, 5), "2026-06-05"),
    (timedelta(hours=2), "P0DT02H00M00S"),
    (gettext_lazy("pending"), "pending"),
    (MappingProxyType({"a": Decimal(1)}), {"a": "1"}),
]


@pytest.mark.parametrize(("value", "text"), FORMS, ids=repr)
def test_data_are_stored_as_they_are_sent(craftkit, value, text):
    """One encoder makes both, and what a document without a key is known by."""
    render = Render.objects.request("invoice", {"value": value})
    craftkit.run()
    assert craftkit.renders[0].data == {"value": text}
    render.refresh_from_db()
    assert render.data == {"value": text}
    assert Render.objects.request("invoice", {"value": text}) == render


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan")], ids=repr)
def test_what_is_no_number_is_refused(db, django_assert_num_queries, value):
    refused(django_assert_num_queries, ValueError, ".", lambda: request(data={"value": value}))


@pytest.mark.parametrize("value", [value for value, _text in FORMS], ids=repr)
def test_data_of_an_earlier_encoding_are_the_same_document(db, value):
    """Django's encoder made the key of a document that was asked for without one."""
    data = {"value": dict(value) if isinstance(value, MappingProxyType) else value}
    text = json.dumps(json.loads(json.dumps(data, cls=DjangoJSONEncoder)), sort_keys=True)
    key = f"invoice:{hashlib.sha256(text.encode()).hexdigest()}"
    earlier = Render.objects.request("invoice", json.loads(text), key=key)
    assert Render.objects.request("invoice", data) == earlier


def test_a_document_that_its_key_finds_is_looked_for_once(db, monkeypatch):
    known = Render.objects.request("invoice", {"total": 1})
    monkeypatch.setattr("django_craftkit.models.render_manager.earlier_key", None)
    assert Render.objects.request("invoice", {"total": 1}) == known
