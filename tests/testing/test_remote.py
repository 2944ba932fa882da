"""What a test sees of Craftkit: named, documented, and not to be changed."""

from __future__ import annotations

import inspect
import re
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta

import pytest
from django.utils import timezone

from django_craftkit import models, testing
from django_craftkit.models import Render
from django_craftkit.testing import factories
from django_craftkit.testing.failures import CALLS
from tests.docs import pages

SHOWN = {
    "craftkit.renders": testing.RemoteRender,
    "craftkit.shares": testing.RemoteShare,
    "craftkit.outbox": testing.SentEmail,
    "craftkit.signatures": testing.RemoteSignatureRequest,
    "recipients": testing.RemoteRecipient,
}


def attributes(seen: type) -> set[str]:
    own = {name for name, value in vars(seen).items() if not name.startswith("_")}
    methods = {name for name in own if name != "of"}
    return methods | {one.name for one in fields(seen) if not one.name.startswith("_")}


@pytest.mark.parametrize("where", SHOWN)
def test_every_attribute_is_documented(where):
    seen = SHOWN[where]
    rows = pages.table("docs/testing.md", f"of `{where}`, `{seen.__name__}`")
    told = {name for row in rows for name in re.findall(r"\w+", row.replace("()", ""))}
    assert told == attributes(seen)
    doc = inspect.getdoc(seen) or ""
    listed = set(re.findall(r"^    (\w+): ", doc, re.M))
    assert listed == {one.name for one in fields(seen) if not one.name.startswith("_")}


def test_no_name_is_that_of_a_model():
    assert not {seen.__name__ for seen in SHOWN.values()} & set(dir(models))


def test_every_call_that_can_fail_is_documented():
    page = pages.read("docs/testing.md")
    assert all(f"`{name}`" in page for name in CALLS)


def test_every_factory_is_documented():
    assert {*pages.table("docs/testing.md", "factory", "makes")} == {*factories.__all__}


def test_it_is_as_it_was_when_it_was_read(craftkit):
    before = timezone.now()
    expires_at = before + timedelta(days=7)
    render = Render.objects.request("invoice", {"total": 42}, filename="invoice.pdf")
    share = render.share(message="Hello", expires_at=expires_at)
    craftkit.run()
    (document,), (link,) = craftkit.renders, craftkit.shares
    assert (document.filename, document.version, document.error_message) == ("invoice.pdf", 1, "")
    assert before - timedelta(seconds=1) < document.created_at <= timezone.now()
    assert (link.message, link.recipient_email, link.render_id) == ("Hello", "", document.id)
    assert abs(link.expires_at - expires_at) < timedelta(milliseconds=1)
    share.revoke()
    craftkit.open(link)
    craftkit.run()
    (now,) = craftkit.shares
    assert (link.revoked, now.revoked, now.click_count) == (False, True, 1)
    with pytest.raises(FrozenInstanceError):
        link.message = "Goodbye"
    assert [document] == craftkit.renders


def test_moments_are_as_django_has_them(craftkit, settings):
    settings.USE_TZ = False
    Render.objects.request("invoice", {})
    craftkit.run()
    (document,) = craftkit.renders
    assert timezone.is_naive(document.created_at)
    assert abs(document.created_at - timezone.now()) < timedelta(minutes=1)
