"""One that Craftkit does not know is said to be so, asked about ever less, and given up."""

from __future__ import annotations

import pytest

from django_craftkit.models import (
    Job,
    SignatureRequest,
)
from tests.helpers import settle
from tests.reconcile.signatures.helpers import CANCEL, GET, history, until


@pytest.fixture
def unknown(craftkit, sent, there) -> SignatureRequest:
    """One that Craftkit has lost: the answers about it are 404, and no page has it."""
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **GET)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **CANCEL)
    craftkit.pass_time(1000)
    craftkit.run()
    sent.refresh_from_db()
    return sent


def hours(craftkit, count: int) -> None:
    for _ in range(2 * count):
        craftkit.pass_time(1800)
        craftkit.run()


def test_one_that_craftkit_does_not_know_is_said_so_asked_less_and_given_up(craftkit, unknown):
    assert (unknown.status, unknown.error_code) == ("sent", "unknown_at_craftkit")
    since = unknown.unknown_since
    asked = len(craftkit.sandbox.requests)
    hours(craftkit, 26)
    assert 20 <= len(craftkit.sandbox.requests) - asked <= 26
    unknown.refresh_from_db()
    assert (unknown.poll_at, unknown.unknown_since, unknown.status) == (None, since, "sent")
    assert not Job.objects.exists()
    assert history(unknown) == ["sent"]

    assert unknown.refresh() is False
    asked = len(craftkit.sandbox.requests)
    craftkit.run()
    assert len(craftkit.sandbox.requests) == asked + 1, "a person has it asked for once more"
    hours(craftkit, 3)
    assert len(craftkit.sandbox.requests) == asked + 1
    assert not Job.objects.exists()


@pytest.mark.parametrize("after", [2, 30], ids=["soon", "after it was given up"])
def test_one_that_craftkit_knows_again_goes_on(craftkit, unknown, there, after):
    hours(craftkit, after)
    craftkit.sandbox.faults.clear()
    assert unknown.refresh(wait=5)
    assert (unknown.error, unknown.error_code, unknown.unknown_since) == ("", "", None)
    assert unknown.poll_at is not None
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    craftkit.sandbox.sign_all(there.id)
    until(craftkit, unknown, "completed")


def test_a_webhook_brings_back_one_that_was_given_up(craftkit, unknown, there):
    hours(craftkit, 26)
    craftkit.sandbox.faults.clear()
    craftkit.sandbox.sign_all(there.id)
    craftkit.run()
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error) == ("completed", "")


def test_the_cancellation_of_one_that_craftkit_does_not_know_is_given_up_too(
    craftkit, unknown, there
):
    assert unknown.cancel(reason="No need.")
    hours(craftkit, 30)
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error_code) == ("sent", "unknown_at_craftkit")
    assert not Job.objects.exists()
    craftkit.sandbox.faults.clear()
    unknown.refresh()
    settle(craftkit)
    unknown.refresh_from_db()
    assert (unknown.status, unknown.error, there.status) == ("cancelled", "No need.", "cancelled")
    assert (unknown.error_code, unknown.unknown_since) == ("", None)


def test_a_conflict_about_one_that_craftkit_does_not_know_is_given_up_as_well(
    craftkit, sent, there
):
    craftkit.sandbox.faults.add("status", status=409, code="conflict", times=None, **CANCEL)
    craftkit.sandbox.faults.add("status", status=404, code="not_found", times=None, **GET)
    sent.cancel()
    hours(craftkit, 26)
    sent.refresh_from_db()
    assert (sent.status, sent.error_code) == ("sent", "unknown_at_craftkit")
    assert not Job.objects.exists()
