"""The inbox: what came, what became of it, and how it is worked off again."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Render, WebhookDelivery

from .conftest import address, make_delivery, make_render, told

pytestmark = pytest.mark.django_db

RIGHTS = ("view_webhookdelivery", "replay_webhookdelivery")
DONE = ("success", "1 webhook is worked off again.")
LEFT = ("warning", "1 webhook was left as it is: its body was dropped, or it is in hand.")


def press(desk, delivery, **more):
    return desk.post(address(WebhookDelivery, "replay", delivery.pk), follow=True, **more)


def is_asked(delivery: WebhookDelivery) -> bool:
    delivery.refresh_from_db()
    return delivery.status == "received"


class TestTheList:
    @pytest.mark.parametrize("status", WebhookDelivery.Status.values)
    def test_shows_the_status_in_words(self, boss, status):
        make_delivery(status=status)
        label = str(WebhookDelivery.Status(status).label)
        assert f">{label}</span>" in boss.shows(address(WebhookDelivery))

    def test_names_one_that_was_not_read_yet(self, boss):
        delivery = make_delivery(event="")
        html = boss.shows(address(WebhookDelivery))
        assert f'{address(WebhookDelivery, "change", delivery.pk)}">webhook</a>' in html

    def test_links_the_document_for_who_may_see_it(self, staff):
        render = make_render(key="invoice-7", remote_id=uuid.uuid4())
        delivery = make_delivery(about=render.remote_id)
        link = f'<a href="{address(Render, "change", render.pk)}">invoice-7</a>'
        for path in (address(WebhookDelivery), address(WebhookDelivery, "change", delivery.pk)):
            assert link in staff("view_webhookdelivery", "view_render").shows(path)
            assert "invoice-7" not in staff("view_webhookdelivery").shows(path)

    @pytest.mark.parametrize(
        "query", [{"status__exact": "failed"}, {"event": "render.failed"}, {"project": "eu"}]
    )
    def test_can_be_filtered(self, boss, settings, query):
        settings.CRAFTKIT_PROJECTS = {**settings.CRAFTKIT_PROJECTS, "eu": {}}
        wanted = make_delivery(status="failed", event="render.failed", project="eu")
        make_delivery(status="processed", event="render.succeeded")
        response = boss.get(address(WebhookDelivery), query)
        assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]

    def test_can_begin_with_the_oldest(self, boss):
        rows = [make_delivery().pk for _ in range(3)]
        html = boss.shows(address(WebhookDelivery))
        assert "?o=5" in html
        response = boss.get(address(WebhookDelivery), {"o": "5"})
        assert [row.pk for row in response.context["cl"].result_list] == rows

    def test_has_as_many_queries_with_many_rows(self, boss):
        def count() -> int:
            with CaptureQueriesContext(connection) as queries:
                boss.shows(address(WebhookDelivery))
            return len(queries)

        def make() -> None:
            render = make_render(remote_id=uuid.uuid4())
            make_delivery(about=render.remote_id)

        make()
        count()
        few = count()
        for _ in range(20):
            make()
        assert count() == few
        assert few <= 10


class TestThePage:
    def test_says_that_the_body_was_dropped(self, boss):
        delivery = make_delivery(b"")
        html = boss.shows(address(WebhookDelivery, "change", delivery.pk))
        assert "Its time was over, so it was dropped" in html
        assert "Work off again" not in html

    def test_says_what_went_wrong(self, boss):
        delivery = make_delivery(status="abandoned", error="The event names no document.")
        html = boss.shows(address(WebhookDelivery, "change", delivery.pk))
        assert "The event names no document." in html

    def test_has_a_button_for_who_may_press_it(self, staff):
        delivery = make_delivery()
        path = address(WebhookDelivery, "change", delivery.pk)
        button = f'formaction="{address(WebhookDelivery, "replay", delivery.pk)}"'
        assert button in staff(*RIGHTS).shows(path)
        assert button not in staff("view_webhookdelivery").shows(path)


class TestTheButton:
    @pytest.mark.parametrize("status", WebhookDelivery.Status.values)
    def test_has_it_worked_off_again(self, staff, status):
        delivery = make_delivery(status=status, error="wrong", attempts=8)
        desk = staff(*RIGHTS)
        response = press(desk, delivery)
        assert response.redirect_chain == [(address(WebhookDelivery, "change", delivery.pk), 302)]
        assert told(response) == [DONE]
        assert is_asked(delivery)
        assert (delivery.error, delivery.attempts) == ("", 0)
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (desk.user, str(delivery.pk))
        assert "worked off again" in entry.change_message

    def test_really_has(self, boss, craftkit):
        Render.objects.request("invoice", {"total": 1})
        craftkit.run()
        delivery = WebhookDelivery.objects.filter(status="processed").first()
        press(boss, delivery)
        assert is_asked(delivery)
        craftkit.run()
        delivery.refresh_from_db()
        assert delivery.status == "processed"

    def test_leaves_one_without_its_body_or_in_hand(self, boss):
        hand = timezone.now() + timedelta(minutes=1)
        for delivery in (
            make_delivery(b"", status="failed"),
            make_delivery(status="failed", leased_until=hand),
        ):
            assert told(press(boss, delivery)) == [LEFT]
            assert not is_asked(delivery)
        assert not LogEntry.objects.exists()

    def test_takes_its_right(self, staff):
        delivery = make_delivery(status="failed")
        others = ("view_webhookdelivery", "change_webhookdelivery", "replay_change")
        assert press(staff(*others), delivery).status_code == 403
        assert not is_asked(delivery)

    def test_is_no_link(self, boss):
        delivery = make_delivery(status="failed")
        assert boss.get(address(WebhookDelivery, "replay", delivery.pk)).status_code == 405
        assert not is_asked(delivery)

    def test_is_for_staff(self):
        delivery = make_delivery(status="failed")
        assert Client().post(address(WebhookDelivery, "replay", delivery.pk)).status_code == 302
        assert not is_asked(delivery)

    def test_wants_the_token_of_the_page(self, boss):
        delivery = make_delivery(status="failed")
        boss.handler.enforce_csrf_checks = True
        assert press(boss, delivery).status_code == 403
        assert not is_asked(delivery)

    def test_of_what_is_not_there_is_not_there(self, boss):
        for pk in (10**9, "x", "9" * 40):
            assert boss.post(address(WebhookDelivery, "replay", pk)).status_code == 404


class TestTheAction:
    def test_says_how_many_and_how_many_could_not(self, boss):
        rows = [
            make_delivery(status="abandoned"),
            make_delivery(status="failed"),
            make_delivery(b"", status="failed"),
        ]
        assert told(boss.act("replay", *rows)) == [
            ("success", "2 webhooks are worked off again."),
            LEFT,
        ]
        assert [is_asked(row) for row in rows] == [True, True, False]
        logged = LogEntry.objects.values_list("object_id", flat=True)
        assert sorted(logged) == sorted(str(row.pk) for row in rows[:2])

    def test_on_a_list_that_is_filtered_by_what_it_changes(self, boss):
        rows = [make_delivery(status="failed") for _ in range(3)]
        response = boss.act("replay", *rows, query="?status__exact=failed")
        assert told(response) == [("success", "3 webhooks are worked off again.")]

    def test_takes_its_right(self, staff):
        delivery = make_delivery(status="failed")
        desk = staff("view_webhookdelivery", "change_webhookdelivery")
        assert 'value="replay"' not in desk.shows(address(WebhookDelivery))
        desk.act("replay", delivery)
        assert not is_asked(delivery)

    def test_has_as_many_queries_for_many(self, boss):
        def count(number: int) -> int:
            rows = [make_delivery(status="failed") for _ in range(number)]
            data = {"action": "replay", "_selected_action": [row.pk for row in rows], "index": "0"}
            with CaptureQueriesContext(connection) as queries:
                boss.post(address(WebhookDelivery), data)
            return len(queries)

        count(2)
        assert count(2) == count(20)
