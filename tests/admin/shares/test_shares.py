"""Links: which there are, what became of each, and what staff decide about e-mails."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.utils import timezone

from django_craftkit.models import Change, Render, Share
from django_craftkit.models.problems import ErrorCode
from tests.admin.conftest import address, make_render, make_share, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def render(craftkit) -> Render:
    render = Render.objects.request("invoice", {"total": 1}, key="invoice-1")
    craftkit.run()
    return Render.objects.get(pk=render.pk)


@pytest.fixture
def unsettled(render) -> Share:
    """An e-mail that nobody knows the fate of."""
    return make_share(
        render,
        "unknown",
        error_code=ErrorCode.MAIL_UNPROVEN,
        error="Ask the recipient.",
        by_mail=True,
        channel="email",
        recipient_email="max@example.com",
        sending_since=timezone.now(),
    )


def listed(desk, query: str = "") -> set[int]:
    html = desk.shows(address(Share) + query)
    return {int(pk) for pk in re.findall(r"/admin/craftkit/share/(\d+)/change/", html)}


class TestTheList:
    def test_shows_what_became_of_each_and_for_whom(self, boss):
        jane = User.objects.create_user("jane", first_name="Jane", last_name="Doe")
        now = timezone.now()
        share = make_share(
            make_render(key="invoice-1"),
            recipient_email="max@example.com",
            recipient_name="Max",
            by_mail=True,
            channel="email",
            requested_by=jane,
            requested_at=now - timedelta(hours=3, minutes=5),
            click_count=3,
        )
        html = boss.shows(address(Share)).replace("\xa0", " ")
        for words in (
            f'<a href="/admin/craftkit/render/{share.render_id}/change/">invoice-1</a>',
            ">open</span>",
            "max@example.com",
            "e-mail by Craftkit",
            ">3 hours ago</time> by Jane Doe",
            ">never<",
            "3 times",
            f'<a href="{share.url}"',
        ):
            assert words in html

    @pytest.mark.parametrize(
        ("state", "more"),
        [
            ("open", {}),
            ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
            ("settling", {"status": "unknown"}),
            ("unsettled", {"status": "unknown", "error_code": ErrorCode.MAIL_UNPROVEN}),
            ("revoked", {"status": "revoked"}),
            ("rejected", {"status": "rejected"}),
        ],
    )
    def test_is_filtered_by_state(self, boss, state, more):
        render = make_render()
        for status in ("pending", "active"):
            make_share(render, status, revoke_requested_at=timezone.now())
        share = make_share(render, **more)
        assert listed(boss, f"?state={state}") == {share.pk}

    def test_is_searched_by_whom_it_is_for_and_by_document(self, boss):
        share = make_share(make_render(key="invoice-7"), recipient_email="max@example.com")
        make_share(make_render(), recipient_email="eva@example.com")
        for words in ("max@", "max@example.com", "invoice-7", "invoi"):
            assert listed(boss, f"?q={words}") == {share.pk}
        assert listed(boss, "?q=example.com") == set()

    def test_leads_to_no_document_that_this_site_does_not_show(self, staff):
        share = make_share(make_render(key="invoice-1"))
        html = staff("view_share").shows(address(Share, "change", share.pk))
        assert "invoice-1" in html

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "", "data:text/html,x"])
    def test_offers_no_link_that_is_none(self, boss, url):
        share = make_share(make_render(), url=url)
        for path in (address(Share), address(Share, "change", share.pk)):
            html = boss.shows(path)
            assert f'href="{url}"' not in html
            assert "javascript:" not in html


class TestThePage:
    def offered(self, desk, share) -> set[str]:
        html = desk.shows(address(Share, "change", share.pk))
        found = re.findall(r'(?:href|action)="/admin/craftkit/share/(?:\d+/)?(\w+)/"', html)
        return set(found) & {"sent", "retry", "revoke"}

    def test_offers_what_can_be_done_now(self, boss, unsettled):
        render = unsettled.render
        assert self.offered(boss, unsettled) == {"sent", "retry", "revoke"}
        assert self.offered(boss, make_share(render)) == {"revoke"}
        assert self.offered(boss, make_share(render, "rejected")) == {"retry"}
        assert self.offered(boss, make_share(render, "revoked")) == set()
        gone = make_share(render, expires_at=timezone.now())
        assert self.offered(boss, gone) == set()

    def test_offers_what_the_person_may(self, staff, unsettled):
        link = make_share(unsettled.render, "rejected")
        mail = make_share(unsettled.render, "rejected", by_mail=True)
        rights = {
            "email_render": ({"sent", "retry"}, set(), {"retry"}),
            "add_share": (set(), {"retry"}, set()),
            "revoke_share": ({"revoke"}, set(), set()),
        }
        for right, expected in rights.items():
            desk = staff("view_share", right)
            assert tuple(self.offered(desk, one) for one in (unsettled, link, mail)) == expected

    def test_says_what_went_wrong(self, boss):
        share = make_share(
            make_render(), "rejected", error="Not this one.", field_errors={"to": ["Bounced"]}
        )
        html = boss.shows(address(Share, "change", share.pk))
        assert "Not this one." in html
        assert "<dt><code>to</code></dt><dd>Bounced</dd>" in html


class TestADecision:
    def press(self, desk, share, name: str, method: str = "post"):
        return getattr(desk, method)(address(Share, name, share.pk), follow=True)

    def test_that_it_was_sent(self, staff, unsettled):
        desk = staff("view_share", "email_render")
        assert told(self.press(desk, unsettled, "sent")) == [("success", "Noted: it was sent.")]
        unsettled.refresh_from_db()
        assert (unsettled.status, unsettled.error) == ("active", "")
        assert unsettled.mailed_at == unsettled.sending_since
        change = Change.objects.get(kind="share", object_id=unsettled.pk)
        assert (change.to_status, change.person) == ("active", desk.user)
        assert LogEntry.objects.get().user == desk.user

    def test_to_send_it_again_is_asked_first(self, boss, unsettled, craftkit):
        html = self.press(boss, unsettled, "retry", "get").content.decode()
        assert "Send this e-mail again?" in html
        assert "the person gets it twice" in html
        assert not list(craftkit.sandbox.mails)

    def test_to_send_it_again_sends_it(self, boss, unsettled, craftkit):
        response = self.press(boss, unsettled, "retry")
        assert told(response) == [("success", "The e-mail to max@example.com is sent.")]
        assert len(list(craftkit.sandbox.mails)) == 1
        assert LogEntry.objects.count() == 1

    def test_to_try_a_refused_link_again_makes_it(self, boss, render):
        share = make_share(render, "rejected", url="", error="Before.")
        assert told(self.press(boss, share, "retry")) == [("success", "The link is ready.")]
        share.refresh_from_db()
        assert (share.status, share.error) == ("active", "")

    @pytest.mark.parametrize("name", ["sent", "retry"])
    def test_about_nothing_changes_nothing(self, boss, render, name):
        share = make_share(render)
        assert [level for level, _ in told(self.press(boss, share, name))] == ["warning"]
        assert not LogEntry.objects.exists()

    def test_on_a_document_that_was_withdrawn_is_refused(self, boss, render):
        share = make_share(render, "rejected")
        Render.objects.update(withdrawn_at=timezone.now())
        ((level, text),) = told(self.press(boss, share, "retry"))
        assert (level, "was withdrawn" in text) == ("error", True)
        share.refresh_from_db()
        assert share.status == "rejected"

    @pytest.mark.parametrize("name", ["sent", "retry"])
    def test_on_what_is_not_there_is_not_there(self, boss, name):
        for pk in (10**9, "x", str(uuid.uuid4())):
            assert boss.post(address(Share, name, pk)).status_code == 404
