"""Staff's pages: all of them answer, show what is there, and let nobody change it."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_craftkit.models import Change, Job, ProjectState, Render, Share, WebhookDelivery
from tests.shop.models import Order

from .conftest import MODELS, NAMES, address, make_delivery, make_render, make_rows, make_share

pytestmark = pytest.mark.django_db


@pytest.fixture(params=MODELS, ids=NAMES)
def model(request):
    return request.param


class TestEveryPage:
    def test_of_an_empty_database_answers(self, boss, model):
        boss.shows(address(model))

    def test_answers_with_rows_of_every_status(self, boss, model):
        make_rows(8)
        boss.shows(address(model))
        for row in model.objects.all():
            boss.shows(address(model, "change", row.pk))
            boss.shows(address(model, "history", row.pk))

    def test_is_on_the_index(self, boss, model):
        assert f'href="{address(model)}"' in boss.shows("/admin/")
        assert f'href="{address(model)}"' in boss.shows("/admin/craftkit/")

    def test_can_be_sorted_by_every_column(self, boss, model):
        make_rows(2)
        html = boss.shows(address(model))
        orders = set(re.findall(r'href="(\?o=[^"]+)"', html))
        for order in orders:
            boss.shows(address(model) + order)

    @pytest.mark.parametrize(
        "words",
        ["order", "7", "-1", "9" * 40, str(uuid.UUID(int=7)), "é", "%_'\"", "a b", "\\", "<b>"],
    )
    def test_can_be_searched_for_anything(self, boss, model, words):
        make_rows(1)
        response = boss.get(address(model), {"q": words})
        assert response.status_code == 200

    def test_can_be_filtered(self, boss, model):
        make_rows(3)
        links = set(re.findall(r'href="(\?(?!o=|_)[a-z_]+=[^"&]*)"', boss.shows(address(model))))
        assert links or model is ProjectState
        for link in links:
            boss.shows(address(model) + link)

    def test_of_what_is_not_there_leads_back(self, boss, model):
        for pk in (10**9, "x", "-1", "9" * 40):
            assert boss.get(address(model, "change", pk)).status_code == 302


class TestNobodyTypesFacts:
    @pytest.fixture
    def row(self, model):
        make_rows(1)
        return model.objects.get()

    def test_by_adding(self, boss, model, row):
        assert address(model, "add/") not in boss.shows(address(model))
        assert boss.get(address(model, "add/")).status_code == 403
        assert boss.post(address(model, "add/"), {"project": "x"}).status_code == 403
        assert model.objects.count() == 1

    def test_by_changing(self, boss, model, row):
        html = boss.shows(address(model, "change", row.pk))
        form = html.partition('id="content"')[2].partition('id="footer"')[0]
        fields = re.findall(r"<(?:textarea|select|input)[^>]*>", form)
        assert [field for field in fields if 'type="hidden"' not in field] == []
        before = model.objects.values().get()
        response = boss.post(address(model, "change", row.pk), {"project": "x", "status": "x"})
        assert response.status_code == 403
        assert model.objects.values().get() == before

    def test_by_deleting(self, boss, model, row):
        assert boss.get(address(model, "delete", row.pk)).status_code == 403
        assert boss.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        boss.act("delete_selected", row)
        assert model.objects.count() == 1

    def test_by_deleting_the_object_that_a_document_is_about(self, boss, row):
        """The kind of object is protected; the object itself may go, the document stays."""
        Order.objects.all().delete()
        assert Render.objects.count() == 1


class TestARender:
    def page(self, boss, render) -> str:
        return boss.shows(address(Render, "change", render.pk))

    def test_links_to_what_it_is_about(self, boss):
        render = make_render(source=User.objects.create_user("jane"))
        link = f'<a href="/admin/auth/user/{render.source_id}/change/">'
        for html in (self.page(boss, render), boss.shows(address(Render))):
            assert f"{link}user {render.source_id}</a>" in html

    def test_quotes_the_key_of_what_it_is_about(self, boss):
        render = make_render(source=User.objects.create_user("jane"))
        Render.objects.update(source_id='a/b_2F"c')
        assert 'href="/admin/auth/user/a_2Fb_5F2F_22c/change/"' in self.page(boss, render)

    def test_names_what_has_no_page(self, boss):
        render = make_render(source=Order.objects.create(number="A-1"))
        for html in (self.page(boss, render), boss.shows(address(Render))):
            assert f"order {render.source_id}" in html
            assert "shop/order" not in html

    @pytest.mark.django_db(transaction=True, databases=["default", "other"])
    def test_links_to_no_namesake_in_another_database(self, boss, settings):
        User.objects.create_user("here", pk=77)
        there = User(pk=77, username="there")
        there.save(using="other")
        render = make_render(source=there)
        for html in (self.page(boss, render), boss.shows(address(Render))):
            assert "user 77 (other)" in html
            assert "/admin/auth/user/77/" not in html

        class AllOfIt:
            """The database that the admin reads too."""

            def db_for_write(self, model, **hints):
                return "other" if model is User and hints.get("instance") is None else None

        settings.DATABASE_ROUTERS = [AllOfIt()]
        assert '/admin/auth/user/77/change/">user 77 (other)</a>' in self.page(boss, render)

    def test_links_to_no_namesake_in_another_schema(self, boss, monkeypatch):
        monkeypatch.setattr(connection, "schema_name", "alpha", raising=False)
        render = make_render(source=User.objects.create_user("jane"))
        link = f"/admin/auth/user/{render.source_id}/change/"
        assert link in self.page(boss, render)
        connection.schema_name = "beta"
        for html in (self.page(boss, render), boss.shows(address(Render))):
            assert f"user {render.source_id} (alpha)" in html
            assert link not in html

    def test_stays_when_what_it_is_about_is_gone(self, boss):
        order = Order.objects.create(number="A-1")
        render = make_render(source=order)
        order.delete()
        assert f"order {render.source_id}" in self.page(boss, render)

    def test_stays_when_the_very_model_is_gone(self, boss):
        render = make_render()
        gone = ContentType.objects.create(app_label="gone", model="contract")
        Render.objects.update(source_type=gone, source_id="17")
        for html in (self.page(boss, render), boss.shows(address(Render))):
            assert "contract 17" in html

    def test_may_be_about_nothing(self, boss):
        assert "–" in self.page(boss, make_render())

    def test_stays_when_the_person_is_gone(self, boss):
        person = User.objects.create_user("jane")
        render = make_render(requested_by=person)
        make_share(render, requested_by=person, revoke_requested_by=person)
        Change.objects.create(
            kind="render", object_id=render.pk, to_status="queued", cause="asked", person=person
        )
        assert "jane" in self.page(boss, render)
        person.delete()
        assert "jane" not in self.page(boss, render)
        for model in MODELS:
            boss.shows(address(model))

    def test_shows_its_way_as_it_went(self, boss):
        render = make_render()
        for status, cause, note in (
            ("queued", "answer", ""),
            ("failed", "webhook", "no such font"),
            ("something new", "poll", ""),
        ):
            Change.objects.create(
                kind="render", object_id=render.pk, to_status=status, cause=cause, note=note
            )
        Change.objects.create(kind="share", object_id=render.pk, to_status="revoked", cause="here")
        story = self.page(boss, render).partition('<ol class="craftkit-timeline">')[2]
        steps = story.partition("</ol>")[0].split('<li class="craftkit-step')[1:]
        found = [[*re.findall(r"<strong>(.*?)<|· (.*?)<|<p>(.*?)<", step)] for step in steps]
        assert [["".join(words) for words in step] for step in found] == [
            ["Requested", "this site"],
            ["Accepted by Craftkit", "Craftkit&#x27;s answer"],
            ["Failed", "Craftkit, by webhook", "no such font"],
            ["something new", "Craftkit, when asked"],
        ]

    def test_says_what_went_wrong_if_something_did(self, boss):
        good = make_render()
        bad = make_render(
            "rejected",
            error="The data don't fit.",
            error_code="validation_error",
            field_errors={"total": ["Required", "Not a number"]},
        )
        assert "What went wrong" not in self.page(boss, good)
        html = self.page(boss, bad)
        assert "What went wrong" in html
        assert "<dt><code>total</code></dt><dd>Required; Not a number</dd>" in html

    def test_is_overdue_after_a_while(self, boss):
        long_ago = timezone.now() - timedelta(days=1)
        make_render("queued", attempted_at=long_ago)
        mark = 'craftkit-badge--warn">overdue<'
        assert mark in boss.shows(address(Render))
        Render.objects.update(status="succeeded")
        assert mark not in boss.shows(address(Render))

    @pytest.mark.parametrize("data", [None, {}, {"ключ": "значение"}, {"deep": {"er": [1, None]}}])
    def test_shows_its_data(self, boss, data):
        html = self.page(boss, make_render(data=data))
        assert ("ключ" in html) == (data == {"ключ": "значение"})

    def test_never_shows_the_public_address_of_the_file(self, boss, craftkit):
        """Craftkit's ``downloadUrl`` needs no right and never ends."""
        Render.objects.request("invoice", {"total": 1})
        craftkit.run()
        urls = [f"/files/{one.id}" for one in craftkit.renders]
        assert urls
        for one in (Render, WebhookDelivery):
            for row in one.objects.all():
                html = boss.shows(address(one, "change", row.pk))
                assert not [url for url in urls if url and url in html]


class TestADelivery:
    def shown(self, boss, body: bytes) -> str:
        delivery = make_delivery(body)
        html = boss.shows(address(WebhookDelivery, "change", delivery.pk))
        assert html.count("<pre>") == 1
        return html.partition("<pre>")[2].partition("</pre>")[0]

    def test_shows_its_body_to_be_read(self, boss):
        assert self.shown(boss, b'{"event":"x","n":[1]}') == (
            "{\n  &quot;event&quot;: &quot;x&quot;,\n  &quot;n&quot;: [\n    1\n  ]\n}"
        )

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            (b"no JSON", "no JSON"),
            (b"\xff\xfe\xfd", "\ufffd\ufffd\ufffd"),
            (b'"half \\ud800 of it"', "&quot;half \\ud800 of it&quot;"),
            (b"{" * 50_000, "{" * 20_000),
            (b"[" * 50_000, "[" * 20_000),
            (b"9" * 50_000, "9" * 20_000),
            (b"[" * 900 + b"]" * 900, None),
            (b"NaN", "NaN"),
            (b"\0", None),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_shows_whatever_was_signed(self, boss, body, shown):
        html = self.shown(boss, body)
        assert shown is None or html == shown

    @pytest.mark.parametrize(
        "body",
        [
            b'{"downloadUrl": "https://cdn/open", "more": {"downloadUrl":"https://cdn/open"}}',
            b'{"downloadUrl" : "https://cdn/open", broken',
            b'{"downloadUrl": "https://cdn/open',
            b'{"downloadUrl": "https:\\/\\/cdn/a\\"https://cdn/open"}',
        ],
    )
    def test_hides_the_address_that_anybody_could_use(self, boss, body):
        html = self.shown(boss, body)
        assert "downloadUrl" in html
        assert "cdn" not in html

    def test_is_listed_without_its_body(self, boss):
        make_delivery(b"x" * 1_000)
        with CaptureQueriesContext(connection) as queries:
            boss.shows(address(WebhookDelivery))
        rows = [query["sql"] for query in queries if "received_at" in query["sql"]]
        assert rows
        assert not [sql for sql in rows if re.search(r'["`]body["`]', sql)]


class TestQueries:
    def count(self, boss, path: str) -> int:
        boss.shows(path)  # what is read once a process is read
        with CaptureQueriesContext(connection) as queries:
            boss.shows(path)
        return len(queries)

    def test_of_a_list_do_not_grow_with_it(self, boss, model):
        make_rows(4)
        few = self.count(boss, address(model))
        make_rows(16)
        assert self.count(boss, address(model)) == few
        assert few <= 10

    def test_of_a_document_do_not_grow_with_its_history(self, boss):
        make_rows(1)
        render = Render.objects.get()
        path = address(Render, "change", render.pk)
        few = self.count(boss, path)
        for number in range(19):
            person = User.objects.create_user(f"person {number}")
            make_share(render, requested_by=person, revoke_requested_by=person)
            Change.objects.create(
                kind="render", object_id=render.pk, to_status="x", cause="poll", person=person
            )
        assert self.count(boss, path) == few

    def test_of_a_list_leave_the_data_where_they_are(self, boss):
        make_rows(1)
        for one in (Render, Share):
            with CaptureQueriesContext(connection) as queries:
                boss.shows(address(one))
            for query in queries:
                assert not re.search(r'craftkit_render["`]\.["`](data|answer)["`]', query["sql"])


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class TestHostileWords:
    """Whatever anybody typed, in Craftkit or here, is text."""

    @pytest.fixture
    def rows(self):
        person = User.objects.create_user(EVIL)
        render = make_render(
            "failed",
            template=EVIL,
            key=EVIL,
            error=EVIL,
            error_code=EVIL[:60],
            field_errors={EVIL: [EVIL]},
            data={EVIL: EVIL},
            answer={EVIL: EVIL},
            builder=EVIL,
            project=EVIL[:60],
            requested_by=person,
            source=person,
        )
        Render.objects.update(source_id=EVIL)
        make_share(
            render,
            message=EVIL,
            recipient_email=EVIL,
            url='https://craftkit.dev/"><script>alert(1)</script>',
            error=EVIL,
            requested_by=person,
            revoke_requested_by=person,
        )
        for body in (EVIL.encode(), json.dumps({EVIL: EVIL}).encode()):
            make_delivery(body, event=EVIL[:60], error=EVIL, project=EVIL[:60])
        Job.objects.create(kind="render", object_id=1, project=EVIL[:60], error=EVIL)
        Change.objects.create(
            kind="render",
            object_id=render.pk,
            from_status="<b>",
            to_status="<script>",
            cause="<i>",
            note=EVIL,
            person=person,
            receivers={EVIL: {"error": EVIL}},
        )
        ProjectState.objects.create(
            project=EVIL[:60], paused_at=timezone.now(), pause_code="x", pause_reason=EVIL
        )
        return render

    def test_are_escaped_on_every_page(self, boss, model, rows):
        for path in (
            address(model),
            *(address(model, "change", row.pk) for row in model.objects.all()),
        ):
            html = boss.shows(path)
            assert "&lt;script&gt;" in html
            assert "<script>alert" not in html
            assert "<img src=x" not in html
            assert "<strong><script>" not in html

    def test_are_escaped_in_messages(self, boss, rows):
        for response in (boss.act("retry", rows), boss.act("share", rows)):
            assert b"<script>alert" not in response.content


@pytest.mark.parametrize("page", ["share", "email", "withdraw"])
def test_a_form_takes_ten_queries_at_most_however_many_links_there_are(boss, page):
    render = make_render()
    path = address(Render, page, render.pk)

    def count() -> int:
        boss.shows(path)
        with CaptureQueriesContext(connection) as queries:
            boss.shows(path)
        return len(queries)

    make_share(render)
    few = count()
    for _ in range(20):
        make_share(render)
    assert count() == few <= 10


@pytest.mark.parametrize("model", [Share, Render], ids=["share", "render"])
def test_a_confirmation_takes_ten_queries_at_most_however_much_it_names(boss, model):
    def count() -> int:
        rows = list(model.objects.all())
        action = {Share: "revoke", Render: "withdraw"}[model]
        boss.act(action, *rows)
        with CaptureQueriesContext(connection) as queries:
            response = boss.act(action, *rows)
        assert b'name="confirm"' in response.content
        return len(queries)

    make_share(make_render())
    few = count()
    for _ in range(20):
        make_share(make_render())
    assert count() == few <= 10


def test_the_page_of_a_link_takes_ten_queries_at_most(boss):
    share = make_share(make_render(), "rejected", requested_by=boss.user)
    path = address(Share, "change", share.pk)
    boss.shows(path)
    with CaptureQueriesContext(connection) as queries:
        boss.shows(path)
    assert len(queries) <= 10
