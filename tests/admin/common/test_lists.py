"""Lists stay fast and whole: what is counted, found and acted upon has a limit."""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.core.paginator import EmptyPage
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from django_craftkit.admin.common import lists
from django_craftkit.admin.common.lists import BoundedPaginator, IndexedSearch, StateFilter
from django_craftkit.models import Change, EngagementEvent, Job, Render, Share, WebhookDelivery
from tests.admin.conftest import (
    MODELS,
    address,
    make_delivery,
    make_render,
    make_rows,
    make_share,
    told,
)

pytestmark = pytest.mark.django_db

#: What somebody may paste into a box.
ODD = [
    "nothing of the kind",
    "%",
    "_",
    "\\",
    "'; --",
    "é\u0301",
    "\N{PILE OF POO}",
    "a\0b",
    "\ud800",
    "9" * 18,
    "9" * 40,
    "-1",
    "٣",
    "1.0",
    "x" * 5000,
    "{}",
    str(uuid.UUID(int=7)),
    "{" + str(uuid.UUID(int=7)) + "}",
    "render__key",
]


@pytest.fixture
def few(monkeypatch):
    """Have limits that a test can reach."""
    monkeypatch.setattr(lists, "LIMIT", 5)
    monkeypatch.setattr(lists, "SEARCHED", 3)


def keys_of(paginator: BoundedPaginator, number: int) -> list[str]:
    return [render.key for render in paginator.page(number).object_list]


class TestAPaginator:
    def of(self, number: int, **more) -> BoundedPaginator:
        for n in range(number):
            make_render(key=f"{n:03}")
        return BoundedPaginator(Render.objects.order_by("key"), 2, **more)

    def test_counts_what_is_there(self, few):
        paginator = self.of(5)
        assert (paginator.count, paginator.num_pages, paginator.is_bounded) == (5, 3, False)

    def test_ends_at_its_limit_and_says_so(self, few):
        paginator = self.of(6)
        assert (paginator.count, paginator.num_pages, paginator.is_bounded) == (5, 3, True)

    def test_shows_what_it_counts_and_nothing_beyond(self, few):
        paginator = self.of(8)
        assert [keys_of(paginator, number) for number in (1, 2, 3)] == [
            ["000", "001"],
            ["002", "003"],
            ["004"],
        ]
        with pytest.raises(EmptyPage):
            paginator.page(4)

    def test_counts_without_an_order(self, few):
        paginator = self.of(2)
        with CaptureQueriesContext(connection) as queries:
            assert paginator.count == 2
            assert not paginator.is_bounded
        (query,) = queries
        assert "ORDER BY" not in query["sql"]
        assert "LIMIT 6" in query["sql"]

    def test_reads_only_the_rows_of_a_later_page(self, few):
        make_render(key="999")
        paginator = self.of(4)
        paginator.object_list = paginator.object_list.select_related("requested_by")
        assert paginator.count == 5
        with CaptureQueriesContext(connection) as queries:
            assert keys_of(paginator, 2) == ["002", "003"]
        counted, read = (query["sql"] for query in queries)
        assert "JOIN" not in counted
        assert "OFFSET" not in read

    def test_takes_a_list_too(self):
        paginator = BoundedPaginator([1, 2, 3], 2)
        assert (paginator.count, list(paginator.page(2).object_list)) == (3, [3])

    def test_of_nothing_has_one_empty_page(self):
        assert keys_of(self.of(0), 1) == []


class TestEveryList:
    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
    def test_is_bounded(self, model):
        model_admin = admin.site.get_model_admin(model)
        assert issubclass(model_admin.paginator, BoundedPaginator)
        assert not model_admin.show_full_result_count
        assert model_admin.show_facets is admin.ShowFacets.NEVER

    def test_leads_back_from_a_page_beyond(self, boss, few, monkeypatch):
        monkeypatch.setattr(type(admin.site.get_model_admin(Render)), "list_per_page", 2)
        for _ in range(8):
            make_render()
        assert boss.get(address(Render), {"p": "3"}).status_code == 200
        assert boss.get(address(Render), {"p": "4"}).status_code == 302

    def test_counts_no_value_of_a_filter(self, boss):
        make_rows(2)
        with CaptureQueriesContext(connection) as queries:
            boss.shows(address(Change) + "?_facets=True")
        assert not [query for query in queries if "FILTER" in query["sql"]]


class TestAnActionOnEverything:
    def test_reaches_what_the_list_does(self, boss, few):
        deliveries = [make_delivery(status="abandoned") for _ in range(8)]
        response = boss.post(
            address(WebhookDelivery),
            {
                "action": "replay",
                "_selected_action": [deliveries[0].pk],
                "select_across": "1",
                "index": "0",
            },
            follow=True,
        )
        assert told(response) == [("success", "5 webhooks are worked off again.")]
        left = WebhookDelivery.objects.filter(status="abandoned").values_list("pk", flat=True)
        # The newest come first in the list.
        assert set(left) == {delivery.pk for delivery in deliveries[:3]}

    def test_on_some_reaches_those(self, boss, few):
        deliveries = [make_delivery(status="abandoned") for _ in range(8)]
        boss.act("replay", deliveries[0])
        assert WebhookDelivery.objects.filter(status="abandoned").count() == 7


def found(boss, model, text: str, **more: str) -> list[int]:
    response = boss.get(address(model), {"q": text, **more})
    assert response.status_code == 200, text
    return [row.pk for row in response.context["cl"].result_list]


class TestASearch:
    def test_finds_the_beginning_of_a_key(self, boss):
        wanted = make_render(key="invoice-7")
        make_render(key="an invoice")
        assert found(boss, Render, "invoice") == [wanted.pk]
        assert found(boss, Render, "  invoice-7 ") == [wanted.pk]
        assert found(boss, Render, "voice") == []

    def test_takes_signs_for_what_they_are(self, boss):
        wanted = make_render(key="100%_a\\b")
        make_render(key="100 and more")
        for text in ("100%", "100%_", "100%_a\\"):
            assert found(boss, Render, text) == [wanted.pk]

    def test_is_one_text(self, boss):
        wanted = make_render(key="one two")
        make_render(key="two")
        make_render(key="one")
        assert found(boss, Render, "one two") == [wanted.pk]

    def test_finds_beyond_a_key(self, boss):
        share = make_share(make_render(key="invoice-7"))
        make_share(make_render(key="offer-7"))
        assert found(boss, Share, "invoice") == [share.pk]

    def test_finds_in_any_of_its_ways(self, boss):
        by_key = make_share(make_render(key="anna"))
        by_mail = make_share(make_render(), recipient_email="anna@example.org")
        assert set(found(boss, Share, "anna")) == {by_key.pk, by_mail.pk}

    def test_finds_an_id(self, boss):
        delivery = make_delivery(about=uuid.uuid4())
        make_delivery(about=uuid.uuid4())
        for text in (str(delivery.delivery_id), str(delivery.about), delivery.about.hex.upper()):
            assert found(boss, WebhookDelivery, text) == [delivery.pk]

    def test_stays_within_a_filter_and_its_order(self, boss):
        first, second, _ready = (
            make_render(status, key=f"invoice-{n}")
            for n, status in enumerate(("failed", "failed", "succeeded"))
        )
        assert found(boss, Render, "invoice", status__exact="failed") == [second.pk, first.pk]

    def test_shows_the_newest_of_too_many_and_says_so(self, boss, few):
        for n in range(5):
            make_render(key=f"offer-{n}")
        renders = [make_render(key=f"invoice-{n}") for n in range(5)]
        response = boss.get(address(Render), {"q": "invoice"})
        rows = [row.pk for row in response.context["cl"].result_list]
        assert rows == [render.pk for render in reversed(renders[2:])]
        ((level, text),) = told(response)
        assert level == "warning"
        assert text.startswith("More than 3 match")

    def test_of_too_many_finds_old_ones_as_well(self, boss, few):
        old = {make_render(key=f"invoice-{n}").pk for n in range(5)}
        for n in range(5):
            make_render(key=f"offer-{n}")
        rows = found(boss, Render, "invoice")
        assert len(rows) == 3
        assert set(rows) <= old

    def test_of_too_many_beyond_a_key_says_so_too(self, boss, few):
        for n in range(5):
            make_render(key=f"invoice-{n}")
        share = make_share(make_render(key="invoice-9"))
        response = boss.get(address(Share), {"q": "invoice"})
        assert [row.pk for row in response.context["cl"].result_list] == [share.pk]
        assert told(response)[0][0] == "warning"

    def test_says_nothing_of_too_many_where_all_are_shown(self, boss, few):
        for n in range(3):
            make_render(key=f"invoice-{n}")
        response = boss.get(address(Render), {"q": "invoice"})
        assert len(response.context["cl"].result_list) == 3
        assert told(response) == []

    def test_has_pages(self, boss, monkeypatch):
        monkeypatch.setattr(type(admin.site.get_model_admin(Render)), "list_per_page", 2)
        renders = [make_render(key=f"invoice-{n}") for n in range(5)]
        assert found(boss, Render, "invoice", p="2") == [renders[2].pk, renders[1].pk]

    def test_for_nothing_shows_all(self, boss):
        make_rows(2)
        assert len(found(boss, Render, "   ")) == 2

    @pytest.mark.parametrize("model", [*MODELS, EngagementEvent], ids=lambda m: m.__name__)
    @pytest.mark.parametrize("text", ODD, ids=ascii)
    def test_for_anything_finds_nothing_and_breaks_nothing(self, model, text, rf, admin_user):
        make_rows(1)
        model_admin = admin.site.get_model_admin(model)
        request = rf.get("/")
        request.user = admin_user
        queryset = model.objects.order_by("pk")
        rows, may_have_duplicates = model_admin.get_search_results(request, queryset, text)
        assert not may_have_duplicates
        if model_admin.search_fields:
            assert list(rows) == []

    @pytest.mark.parametrize("text", ODD, ids=ascii)
    def test_in_an_address_breaks_nothing(self, boss, text):
        make_rows(1)
        query = text.encode("utf-8", "surrogatepass")
        for model in (Render, Share, WebhookDelivery, Job, Change, EngagementEvent):
            assert boss.get(address(model), {"q": query}).status_code == 200

    def test_asks_the_database_for_nothing_that_it_could_not_hold(self):
        model_admin = admin.site.get_model_admin(WebhookDelivery)
        request = RequestFactory().get("/")
        with CaptureQueriesContext(connection) as queries:
            rows, _ = model_admin.get_search_results(request, WebhookDelivery.objects.all(), "no")
            assert not rows
        assert len(queries) == 0

    def test_says_what_it_finds(self, boss):
        assert "Beginning of: recipient, document – key." in boss.shows(address(Share))
        html = boss.shows(address(WebhookDelivery))
        assert "Exactly: delivery id, Craftkit&#x27;s id of its object." in html

    def test_has_the_fields_that_django_looks_for(self):
        model_admin = admin.site.get_model_admin(Share)
        assert isinstance(model_admin, IndexedSearch)
        assert set(model_admin.search_fields) == {"recipient_email", "render__key"}

    def test_takes_no_sequential_scan(self, boss):
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL explains itself.")
        for n in range(50):
            make_share(make_render(key=f"invoice-{n}"), recipient_email=f"a{n}@example.org")
        with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
            cursor.execute("SET LOCAL enable_seqscan = off")
            found(boss, Share, "invoice-7")
            arms = [q["sql"] for q in queries if "LIKE" in q["sql"] and "SELECT" in q["sql"]]
            assert len(arms) == 2
            for sql in arms:
                cursor.execute(f"EXPLAIN {sql.replace('%', '%%')}", ())
                assert "Seq Scan" not in "".join(line for (line,) in cursor.fetchall())


class TestAStateFilter:
    class Filter(StateFilter):
        states = {"failed": ("failed", lambda rows: rows.filter(status="failed"))}

    def of(self, value: str) -> list[Render]:
        params = {"state": [value]} if value else {}
        request = RequestFactory().get("/", params)
        spec = self.Filter(request, params, Render, admin.site.get_model_admin(Render))
        return list(spec.queryset(request, Render.objects.order_by("pk")))

    def test_finds_what_its_function_does(self):
        failed, ready = make_render("failed"), make_render()
        assert self.of("failed") == [failed]
        assert self.of("") == [failed, ready]

    def test_of_what_is_no_state_finds_all(self):
        make_render()
        assert len(self.of("no state")) == 1
