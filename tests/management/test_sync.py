"""``craftkit_sync``: the mirror level with Craftkit, and documents with the business."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.db.models.signals import post_save

from django_craftkit.clock import database_now
from django_craftkit.models import Job, Render, SignatureRequest
from django_craftkit.reconcile import syncing
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import settle
from tests.shop.models import Order, Tariff

pytestmark = pytest.mark.django_db


def sync(*arguments: str) -> str:
    out = StringIO()
    call_command("craftkit_sync", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def status(row: Any) -> str:
    row.refresh_from_db()
    return str(row.status)


@pytest.fixture
def silent(craftkit):
    """A Craftkit whose webhooks go astray."""
    craftkit.sandbox.faults.add("webhook_dropped", times=None)
    return craftkit


def far_from_due() -> None:
    """Leave all that is open to the slowest of polls."""
    tomorrow = database_now() + timedelta(days=1)
    Job.objects.update(due_at=tomorrow)
    SignatureRequest.objects.update(poll_at=tomorrow)


class TestTheMirror:
    def test_is_level_with_a_document_that_ended_unheard(self, silent):
        render = Render.objects.request("invoice", {})
        silent.run()
        far_from_due()
        silent.pass_time(60)
        silent.run()
        assert status(render) == "queued"
        assert "1 documents under way" in sync()
        silent.run()
        assert status(render) == "succeeded"

    def test_is_level_with_a_request_that_was_signed_unheard(self, silent):
        render = Render.objects.request("invoice", {})
        settle(silent)
        request = render.send_for_signature(
            [Recipient("Ada", "", "ada@example.com")],
            anchor_tags=[AnchorTag("here", "date")],
            name="One",
        )
        silent.run()
        far_from_due()
        silent.sign(request)
        silent.run()
        assert status(request) == "sent"
        assert "1 open signature requests" in sync()
        silent.run()
        assert status(request) == "completed"

    def test_is_level_with_who_opened_a_document_and_with_links_made_elsewhere(self, silent):
        render = Render.objects.request("invoice", {})
        share = render.share()
        settle(silent)
        share.refresh_from_db()
        silent.open(share)
        silent.run()
        assert not render.events.exists()
        assert "1 documents for their links and engagement" in sync()
        silent.run()
        assert render.events.exists()

    def test_is_not_asked_about_documents_of_long_ago(self, silent):
        Render.objects.request("invoice", {})
        settle(silent)
        Render.objects.update(completed_at=database_now() - timedelta(days=31))
        assert "engagement" not in sync()
        assert "1 documents for their links and engagement" in sync("--days", "32")

    def test_has_its_lost_jobs_back(self, craftkit):
        render = Render.objects.request("invoice", {})
        Job.objects.all().delete()
        assert "1 lost jobs (render)" in sync()
        settle(craftkit)
        assert status(render) == "succeeded"

    def test_leaves_alone_what_ends_its_workers(self, silent):
        Render.objects.request("invoice", {})
        silent.run()
        job = Job.objects.get(kind="render")
        Job.objects.update(lease_token=None, leased_until=job.due_at + timedelta(days=9))
        assert "under way" not in sync()
        assert Job.objects.quarantined().filter(kind="render").exists()

    def test_is_asked_about_in_batches(self, silent, monkeypatch):
        for number in range(5):
            Render.objects.request("invoice", {}, key=str(number))
        silent.run()
        monkeypatch.setattr(syncing, "BATCH", 2)
        assert "5 documents under way" in sync()

    def test_is_not_touched_by_a_dry_run(self, silent):
        Render.objects.request("invoice", {})
        silent.run()
        far_from_due()
        before = list(Job.objects.order_by("pk").values())
        assert "1 documents under way would be asked about." in sync("--dry-run")
        assert list(Job.objects.order_by("pk").values()) == before

    def test_is_asked_about_in_the_projects_that_are_named(self, silent, settings):
        settings.CRAFTKIT_PROJECTS = {
            **settings.CRAFTKIT_PROJECTS,
            "eu": settings.CRAFTKIT_PROJECTS["default"],
        }
        Render.objects.request("invoice", {}, key="1")
        Render.objects.request("invoice", {}, key="2", project="eu")
        silent.run()
        assert "1 documents under way" in sync("--project", "eu")
        with pytest.raises(CommandError):
            sync("--project", "us")


@pytest.fixture
def orders(declare) -> list[Order]:
    """Orders from before their documents were declared."""
    made = [Order.objects.create(number=f"n{n}") for n in range(3)]

    def card(order: Order, **kwargs: Any) -> dict[str, Any]:
        return {"number": order.number}

    def key(order: Order) -> str:
        if order.number == "broken":
            raise ZeroDivisionError
        return f"card-{order.number}"

    declare(
        post_save,
        sender=Order,
        template="card",
        key=key,
        when=lambda order: order.number != "n0",
        queryset=Order.objects.all(),
    )(card)
    return made


class TestMissingDocuments:
    def test_are_asked_for_as_their_events_would(self, craftkit, orders):
        said = sync("--missing")
        assert "1 objects that when= leaves out, 2 documents asked for" in said
        settle(craftkit)
        made = Render.objects.filter(template="card")
        assert {one.data["number"] for one in made} == {"n1", "n2"}
        assert {one.source for one in made} == set(orders[1:])
        assert {one.status for one in made} == {"succeeded"}

    def test_are_asked_for_once(self, craftkit, orders):
        sync("--missing")
        sync("--missing")
        assert Render.objects.filter(template="card").count() == 2

    def test_of_others_are_asked_for_where_a_function_raises(self, craftkit, orders):
        Order.objects.filter(number="n1").update(number="broken")
        with pytest.raises(CommandError):
            sync("--missing")
        assert [one.key for one in Render.objects.filter(template="card")] == ["card-n2"]

    def test_are_counted_by_a_dry_run(self, craftkit, orders):
        assert "3 objects have no document" in sync("--missing", "--dry-run")
        assert not Render.objects.filter(template="card").exists()

    def test_are_asked_for_in_batches(self, craftkit, orders, monkeypatch):
        monkeypatch.setattr("django_craftkit.management.missing.BATCH", 1)
        sync("--missing")
        assert Render.objects.filter(template="card").count() == 2

    def test_of_a_project_that_is_not_named_are_left(self, craftkit, orders, settings):
        settings.CRAFTKIT_PROJECTS = {
            **settings.CRAFTKIT_PROJECTS,
            "eu": settings.CRAFTKIT_PROJECTS["default"],
        }
        assert sync("--missing", "--project", "eu").count("card") == 0

    def test_are_asked_for_where_no_query_can_tell_and_keys_do(self, craftkit, declare, event):
        tariffs = [Tariff.objects.create(rate=rate) for rate in ("1.50", "2.50")]

        def card(tariff: Tariff, **kwargs: Any) -> dict[str, Any]:
            return {}

        rows = Tariff.objects.all()
        declare(event, template="card", key=lambda one: str(one.pk), queryset=rows)(card)
        assert "2 documents asked for" in sync("--missing")
        Job.objects.all().delete()
        assert "nothing is missing" in sync("--missing")
        assert Render.objects.filter(template="card").count() == len(tariffs)
        assert not Job.objects.exists()
        assert "2 objects of which no query tells" in sync("--missing", "--dry-run")

    @pytest.mark.django_db(databases=["default", "other"])
    def test_of_another_database_that_can_t_be_asked_for_are_failures(
        self, craftkit, declare, event
    ):
        Order.objects.using("other").create(number="1")
        Render.objects.request("invoice", {}, key="taken")

        def card(order: Order, **kwargs: Any) -> dict[str, Any]:
            return {}

        rows = Order.objects.using("other")
        declare(event, template="card", key=lambda order: "taken", queryset=rows)(card)
        with pytest.raises(CommandError):
            sync("--missing")

    def test_of_each_declaration_of_one_function_are_asked_for(self, craftkit, declare, event):
        def card(order: Order, **kwargs: Any) -> dict[str, Any]:
            return {}

        rows = Order.objects.all()
        for number in ("1", "2"):
            Order.objects.create(number=number)
            declare(
                event,
                template="card",
                key=lambda order, number=number: f"{number}-{order.number}",
                when=lambda order, number=number: order.number == number,
                queryset=rows,
            )(card)
        sync("--missing")
        made = Render.objects.filter(template="card").values_list("key", flat=True)
        assert sorted(made) == ["1-1", "2-2"]

    def test_end_the_command_where_the_database_does(self, craftkit, orders, monkeypatch):
        def declare(*args: Any, **kwargs: Any) -> None:
            raise DatabaseError

        monkeypatch.setattr(Render.objects, "declare", declare)
        with transaction.atomic(), pytest.raises(DatabaseError):
            sync("--missing")
