"""Without ``TENANTS`` nothing is another than it was."""

from __future__ import annotations

from django.core import signing

from django_craftkit import tenants, waking
from django_craftkit.models.downloading import GuestLink


def test_links_of_earlier_versions_open():
    token = signing.Signer(salt="django_craftkit.downloads").sign("1-2-3-4")
    assert GuestLink.read(token) == GuestLink(1, 2, 3, 4)


def test_a_message_says_nothing_that_an_earlier_worker_would_not_take():
    assert waking._arguments(tenants.current()) == {}


def test_there_is_one_set_of_tables():
    assert (tenants.are_used(), tenants.names(), tenants.has("")) == (False, [""], True)
    with tenants.enter(""):
        assert tenants.current() == ""
