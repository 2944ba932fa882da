"""The way of a document and of its links, merged into one story."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_craftkit.admin.common.timeline import MOST_CHANGES
from django_craftkit.admin.renders.page import browser, changes_of, document_steps
from django_craftkit.models import Change
from tests.admin.conftest import make_event, make_render, make_share

pytestmark = pytest.mark.django_db

NOON = timezone.make_aware(datetime(2026, 7, 1, 12))  # noqa: DTZ001


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def note(row, to: str, seconds: float, cause: str = "answer", **more) -> Change:
    kind = row._meta.model_name
    return Change.objects.create(
        **{
            "kind": kind,
            "object_id": row.pk,
            "to_status": to,
            "cause": cause,
            "created_at": at(seconds),
            **more,
        }
    )


def story(render, shares=(), events=(), firsts=None) -> list[tuple[float, str, str, str, str]]:
    steps = document_steps(render, changes_of(render, shares), shares, events, firsts)
    return [
        ((step.at - NOON).total_seconds(), step.what, step.whom, step.who, step.why)
        for step in steps
    ]


def test_begins_with_who_asked():
    jane = User.objects.create_user("jane", first_name="Jane", last_name="Doe")
    asked = {"requested_at": NOON}
    assert story(make_render(requested_by=jane, **asked)) == [(0, "Requested", "", "Jane Doe", "")]
    assert story(make_render(builder="x.y", **asked))[0][3] == "an event of this site"
    assert story(make_render(**asked))[0][3] == "this site"


def test_tells_each_step_with_its_cause_and_why():
    jane = User.objects.create_user("jane")
    render = make_render(requested_at=NOON)
    note(render, "queued", 1)
    note(render, "failed", 2, "webhook", note="No such font.")
    note(render, "pending", 3, "asked", person=jane, attempt=2)
    note(render, "forwarded", 4, "pigeon")
    assert story(render)[1:] == [
        (1, "Accepted by Craftkit", "", "Craftkit's answer", ""),
        (2, "Failed", "", "Craftkit, by webhook", "No such font."),
        (3, "Tried again, attempt 2", "", "jane", ""),
        (4, "forwarded", "", "pigeon", ""),
    ]


def test_tells_of_links_among_it_in_the_order_of_time():
    jane = User.objects.create_user("jane")
    render = make_render(requested_at=NOON, withdrawn_at=at(40), withdrawn_by=jane)
    share = make_share(
        render,
        "revoked",
        recipient_email="max@example.com",
        requested_at=at(10),
        requested_by=jane,
        revoke_requested_at=at(30),
        revoke_requested_by=jane,
    )
    note(share, "active", 11)
    note(share, "revoked", 31)
    assert story(render, [share])[1:] == [
        (10, "Link requested", "max@example.com", "jane", ""),
        (11, "Link made", "max@example.com", "Craftkit's answer", ""),
        (30, "Revocation requested", "max@example.com", "jane", ""),
        (31, "Link taken back", "max@example.com", "Craftkit's answer", ""),
        (40, "Withdrawn", "", "jane", ""),
    ]


def test_tells_once_that_an_email_went_out():
    render = make_render(requested_at=NOON)
    share = make_share(
        render,
        by_mail=True,
        recipient_email="max@example.com",
        recipient_name="Max",
        requested_at=at(1),
        mailed_at=at(-200),  # by a clock that is behind
    )
    note(share, "active", 2)
    assert story(render, [share])[1:] == [
        (1, "E-mail requested", "Max", "this site", ""),
        (1, "E-mail sent", "Max", "Craftkit", ""),
    ]


def test_tells_who_said_that_an_email_went_out():
    jane = User.objects.create_user("jane")
    render = make_render(requested_at=NOON)
    share = make_share(render, by_mail=True, requested_at=at(1), mailed_at=at(2))
    note(share, "active", 3, "asked", person=jane)
    assert story(render, [share])[-1] == (3, "E-mail said to have been sent", "", "jane", "")


def test_tells_of_a_link_that_was_found():
    render = make_render(requested_at=NOON)
    share = make_share(render, requested_at=at(1))
    share.key = f"found {uuid.uuid4()}"
    note(share, "active", 2, "read back")
    assert story(render, [share])[1:] == [(2, "Link found", "", "found at Craftkit", "")]


def test_tells_who_opened_it_first_and_who_last():
    render = make_render(requested_at=NOON)
    share = make_share(
        render, remote_id=uuid.uuid4(), requested_at=at(1), recipient_email="max@example.com"
    )
    first = make_event(render, share_remote_id=share.remote_id, occurred_at=at(5))
    last = make_event(render, "printed", share_remote_id=share.remote_id, occurred_at=at(9))
    here = make_event(render, actor="partner", occurred_at=at(7))
    strange = make_event(render, "forwarded", share_remote_id=uuid.uuid4(), occurred_at=at(8))
    told = story(render, [share], [last, strange, here, first], {share.pk: first.occurred_at})
    assert told[2:] == [
        (5, "Opened for the first time", "", "max@example.com", ""),
        (7, "Opened", "", "this site", ""),
        (8, "Forwarded", "", "recipient", ""),
        (9, "Printed", "", "max@example.com", ""),
    ]


def test_ends_with_the_latest_of_a_long_history():
    render = make_render()
    Change.objects.bulk_create(
        Change(kind="render", object_id=render.pk, to_status=f"s{n}", cause="poll")
        for n in range(MOST_CHANGES + 5)
    )
    rows = changes_of(render, [])
    assert [rows[0].to_status, rows[-1].to_status] == ["s5", f"s{MOST_CHANGES + 4}"]


def test_takes_no_change_of_another_object_for_its_own():
    render, other = make_render(), make_render()
    share = make_share(other)
    note(share, "active", 1)
    note(other, "queued", 1)
    assert len(story(render)) == 1


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        ("", ""),
        ("curl/8.1 (x)", "curl/8.1"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox, Linux",
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/126.0.0.0 Safari/537.36 Edg/126.0"
            ),
            "Edge, Windows",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            "Safari, iPhone",
        ),
        ("x" * 500, "x" * 30),
    ],
)
def test_names_a_browser_in_two_words(user_agent, shown):
    assert browser(user_agent) == shown
