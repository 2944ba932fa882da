"""``{% load craftkit %}``: which link is handed out, and what a badge is made of."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import urlencode

import django
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpResponse
from django.template import Context, Engine, Template
from django.test import override_settings
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from django_craftkit.models import Job, Render, Share, SignatureRecipient, SignatureRequest
from django_craftkit.models.arguments import hash_key
from django_craftkit.signing import AnchorTag, Recipient
from tests.shop.models import Line, Order

pytestmark = pytest.mark.django_db

SCRIPT = '<script type="module" src="/static/django_craftkit/badges.js"></script>'
NOW = timezone.now


@pytest.fixture
def order():
    return Order.objects.create(number="A-1")


def make(source=None, template: str = "invoice", status: str = "succeeded", **more) -> Render:
    key = more.pop("key", f"{template}-{Render.objects.count()}")
    render = Render(template=template, key=key, key_hash=hash_key(key), status=status, **more)
    if source is not None:
        render.set_source(source)
    render.save()
    return render


def share(render: Render, url: str = "https://craftkit.dev/s/1", **more) -> Share:
    key = str(Share.objects.count())
    return Share.objects.create(
        **{"render": render, "key": key, "key_hash": key, "status": "active", "url": url, **more}
    )


def ask_to_sign(
    render: Render, status: str = "sent", people: tuple[str, ...] = ("Signer", "Signer"), **more
) -> SignatureRequest:
    """``more`` may say how many have ``signed``."""
    signed = more.pop("signed", 0)
    key = str(SignatureRequest.objects.count())
    request = SignatureRequest.objects.create(
        **{"render": render, "key": key, "key_hash": key, "status": status, **more}
    )
    for position, designation in enumerate(people):
        SignatureRecipient.objects.create(
            request=request,
            position=position,
            first_name="Ada",
            email=f"{position}@example.com",
            designation=designation,
            signed_at=NOW() if position < signed else None,
        )
    return request


def show(text: str, **context) -> str:
    return Template("{% load craftkit %}" + text).render(Context(context))


def url_for(about, template: str | None = None) -> str:
    return show("{% craftkit_share_url about template=slug %}", about=about, slug=template)


def badge_for(about, template: str | None = None) -> str:
    return show("{% craftkit_status about template=slug %}", about=about, slug=template)


class TestShareUrl:
    def test_is_the_link_of_a_share_a_document_and_an_object(self, order):
        made = share(make(order))
        for about in (made, made.render, order):
            assert url_for(about) == "https://craftkit.dev/s/1"
        assert show("{% craftkit_share_url order as url %}[{{ url }}]", order=order) == (
            "[https://craftkit.dev/s/1]"
        )

    @pytest.mark.parametrize(
        "what",
        [
            pytest.param({"status": "pending", "url": ""}, id="pending"),
            pytest.param({"status": "unknown"}, id="unknown"),
            pytest.param({"status": "rejected"}, id="rejected"),
            pytest.param({"status": "revoked"}, id="revoked"),
            pytest.param({"revoke_requested_at": NOW()}, id="wanted back"),
            pytest.param({"expires_at": NOW() - timedelta(seconds=1)}, id="expired"),
            pytest.param({"channel": "email", "recipient_email": "jane@example.com"}, id="mailed"),
            pytest.param({"recipient_email": "jane@example.com"}, id="for one person"),
            pytest.param({"channel": "email"}, id="mailed to somebody"),
        ],
    )
    def test_is_never_one_that_is_not_for_handing_out(self, order, what):
        made = share(make(order), **what)
        for about in (made, made.render, order):
            assert url_for(about) == ""

    def test_is_one_that_ends_later(self, order):
        made = share(make(order), expires_at=NOW() + timedelta(minutes=1))
        for about in (made, made.render, order):
            assert url_for(about) == "https://craftkit.dev/s/1"

    def test_is_the_newest_open_one(self, order):
        now = NOW()
        for minutes, status in ((3, "active"), (2, "active"), (1, "revoked")):
            share(
                make(order),
                url=f"https://craftkit.dev/s/{minutes}",
                status=status,
                requested_at=now - timedelta(minutes=minutes),
            )
        assert url_for(order) == "https://craftkit.dev/s/2"

    def test_of_two_at_once_is_the_later(self, order):
        now = NOW()
        for number in (1, 2):
            share(make(order), url=f"https://craftkit.dev/s/{number}", requested_at=now)
        assert url_for(order) == "https://craftkit.dev/s/2"

    def test_is_narrowed_by_a_template(self, order):
        made = share(make(order, template="invoice"), url="https://craftkit.dev/s/invoice")
        share(make(order, template="note"), url="https://craftkit.dev/s/note")
        assert url_for(order, "invoice") == "https://craftkit.dev/s/invoice"
        assert url_for(order, "note") == "https://craftkit.dev/s/note"
        assert url_for(order, "other") == ""
        for about in (made, made.render):
            assert url_for(about, "invoice") == "https://craftkit.dev/s/invoice"
            assert url_for(about, "note") == ""

    def test_is_nobody_elses(self, order):
        other = Order.objects.create(number="A-2")
        share(make(other))
        # The same primary key in another table.
        line = Line.objects.create(pk=other.pk, order=order)
        assert (url_for(order), url_for(line)) == ("", "")

    def test_takes_one_query(self, order, django_assert_num_queries):
        made = share(make(order))
        url_for(order)
        for about in (made.render, order):
            with django_assert_num_queries(1):
                assert url_for(about)
        with django_assert_num_queries(0):
            assert url_for(made)

    def test_is_escaped(self, order):
        share(make(order), url='https://craftkit.dev/s?a=1&b="><script>')
        assert url_for(order) == "https://craftkit.dev/s?a=1&amp;b=&quot;&gt;&lt;script&gt;"

    def test_knows_what_is_behind_a_lazy_object(self):
        user = User.objects.create_user("jane")
        share(make(user))
        assert url_for(SimpleLazyObject(lambda: user)) == "https://craftkit.dev/s/1"


class TestShareLink:
    def test_is_a_link_around_the_block(self, order):
        share(make(order))
        html = show(
            '{% craftkit_share_link o class="btn" %}Get <b>it</b>{% endcraftkit_share_link %}',
            o=order,
        )
        assert html == '<a class="btn" href="https://craftkit.dev/s/1">Get <b>it</b></a>'

    def test_is_nothing_where_there_is_no_link(self, order):
        share(make(order), status="revoked")
        for about in (order, None, "", Order()):
            assert show(LINK, o=about) == ""

    def test_has_its_attributes_escaped(self, order):
        share(make(order), url='https://craftkit.dev/s?a=1&b="><script>')
        text = (
            "{% craftkit_share_link o class=odd aria_label=odd download=True hidden=False id=None "
            'href="javascript:alert(1)" %}{{ odd }}{% endcraftkit_share_link %}'
        )
        html = show(text, o=order, odd='"><script>')
        ((tag, attributes),) = Page(html).elements
        assert tag == "a"
        assert attributes == {
            "class": '"><script>',
            "aria-label": '"><script>',
            "download": None,
            "href": 'https://craftkit.dev/s?a=1&b="><script>',
        }
        assert "<script>" not in html

    def test_is_narrowed_by_a_template(self, order):
        share(make(order, template="invoice"))
        for slug, is_there in (("invoice", True), ("note", False)):
            html = show(LINK.replace("o %", "o template=slug %"), o=order, slug=slug)
            assert bool(html) is is_there


LINK = "{% craftkit_share_link o %}Get it{% endcraftkit_share_link %}"


def download_for(about, template: str | None = None) -> str:
    return show("{% craftkit_download_url about template=slug %}", about=about, slug=template)


class TestDownloadUrl:
    def test_is_of_a_share_a_document_and_an_object(self, order):
        render = make(order)
        for about in (share(render), render, order):
            assert download_for(about) == f"/craftkit/documents/{render.pk}/"

    @pytest.mark.parametrize(
        "what",
        [
            *({"status": one} for one in Render.Status.values if one != "succeeded"),
            {"withdrawn_at": NOW()},
        ],
        ids=lambda what: what.get("status", "withdrawn"),
    )
    def test_is_none_of_what_is_not_ready_or_withdrawn(self, order, what):
        render = make(order, **what)
        for about in (render, order):
            assert download_for(about) == ""
            assert show("{% craftkit_download_url a guest=True expires=60 %}", a=about) == ""

    def test_is_that_of_the_newest_that_is_ready(self, order):
        render = make(order)
        make(order, withdrawn_at=NOW())
        make(order, status="queued")
        assert download_for(order) == render.get_download_url()

    def test_is_narrowed_by_a_template(self, order):
        render = make(order, template="invoice")
        make(order, template="note")
        assert download_for(order, "invoice") == render.get_download_url()
        assert download_for(order, "other") == download_for(render, "note") == ""

    def test_of_a_guest_is_signed(self, order, client, settings):
        settings.CRAFTKIT = {"RECORD_DOWNLOADS": False}
        make(order)
        url = show("{% craftkit_download_url o guest=True expires=3600 %}", o=order)
        assert url.startswith("/craftkit/documents/guest/")
        # It is one of ours; of the document there is nothing here.
        assert client.get(url).status_code == 404
        with pytest.raises(ValueError, match="expires"):
            show("{% craftkit_download_url o guest=True %}", o=order)

    def test_takes_one_query_and_reads_no_data(self, order, django_assert_num_queries):
        render = make(order, data={"secret": "x"})
        download_for(order)
        with django_assert_num_queries(1) as queries:
            download_for(order)
        assert '"data"' not in queries[0]["sql"]
        assert "`data`" not in queries[0]["sql"]
        with django_assert_num_queries(0):
            download_for(render)


class TestAListWithoutSignatures:
    @pytest.fixture
    def orders(self):
        orders = [Order(number=str(number)) for number in range(100)]
        Order.objects.bulk_create(orders)
        orders = list(Order.objects.all())
        for order in orders[::10]:
            share(make(order), url=f"https://craftkit.dev/s/{order.pk}")
        return orders

    def test_of_links_and_addresses_takes_two_queries(self, orders, django_assert_num_queries):
        download_for(orders[0])
        text = (
            "{% for o in orders %}{% craftkit_download_url o %}{% craftkit_status o %}"
            "{% craftkit_download_url o guest=True expires=60 %}"
            "{% craftkit_share_link o %}Get it{% endcraftkit_share_link %}{% endfor %}"
        )
        expected = [f"https://craftkit.dev/s/{order.pk}" for order in orders[::10]]
        with django_assert_num_queries(2):
            Render.objects.prefetch_for(orders, signatures=False)
            html = show(text, orders=orders)
        assert re.findall(r'href="([^"]+)"', html) == expected
        assert len(re.findall("/craftkit/documents/[0-9]+/", html)) == 10

    def test_has_its_signatures_all_the_same(self, orders):
        ask_to_sign(Render.objects.for_object(orders[0]).get(), "completed")
        Render.objects.prefetch_for(orders, signatures=False)
        assert ">signed<" in signature_for(orders[0])
        assert signature_for(orders[1]) == signature_for(orders[10]) == ""


def signature_for(about, template: str | None = None) -> str:
    return show("{% craftkit_signature about template=slug %}", about=about, slug=template)


NOTHING = [None, "", "text", 7, [], AnonymousUser(), Order(), Render(), SimpleNamespace(pk=1)]


@pytest.mark.parametrize("about", NOTHING, ids=lambda about: type(about).__name__)
def test_about_nothing_there_is_nothing(about, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert url_for(about) == ""
        assert badge_for(about) == ""
        assert signature_for(about) == ""


def test_about_what_the_context_does_not_hold_there_is_nothing():
    assert show("{% craftkit_share_url missing %}{% craftkit_status missing.order %}") == ""


def test_about_an_object_without_documents_there_is_nothing(order):
    assert (url_for(order), badge_for(order), signature_for(order)) == ("", "", "")
    render = make(order)
    assert (signature_for(order), signature_for(render)) == ("", "")


class Page(HTMLParser):
    """The elements of a piece of HTML; fails where one is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), "an attribute is there twice"
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def refreshed(client, url: str, token: str) -> dict[str, object]:
    """What the badge's script is answered."""
    answer = client.post(url, urlencode({"token": token}), "application/x-www-form-urlencoded")
    said: dict[str, object] = answer.json()
    return said


class TestStatus:
    def test_says_what_becomes_of_the_document(self, order):
        make(order, status="queued")
        ((tag, attributes), script) = Page(badge_for(order)).elements
        assert tag == "span"
        assert attributes["class"] == "craftkit-badge craftkit-badge--queued"
        assert attributes["role"] == "status"
        assert attributes["data-craftkit-url"] == "/craftkit/statuses/"
        assert script == ("script", {"type": "module", "src": "/static/django_craftkit/badges.js"})
        assert ">queued</span>" in badge_for(order)

    @pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "rejected"])
    def test_asks_for_nothing_more_once_it_is_final(self, order, status):
        make(order, status=status)
        (element,) = Page(badge_for(order)).elements
        assert set(element[1]) == {"class", "role"}

    @pytest.mark.parametrize("status", Render.Status.values)
    def test_holds_no_script_and_no_style_of_its_own(self, order, status):
        """A Content-Security-Policy without ``unsafe-inline`` has nothing to object to."""
        make(order, status=status)
        html = badge_for(order)
        assert re.sub(r"<script [^>]*></script>", "", html).count("<script") == 0
        for _, attributes in Page(html).elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]

    def test_is_refreshed_with_its_token(self, order, client):
        make(order, status="pending")
        ((_, attributes), _) = Page(badge_for(order)).elements
        url, token = attributes["data-craftkit-url"], attributes["data-craftkit-token"]
        Render.objects.update(status="succeeded")
        assert refreshed(client, url, token) == {
            token: {"status": "succeeded", "label": "ready", "final": True}
        }

    def test_is_the_newest_documents(self, order):
        make(order, status="failed", requested_at=NOW() - timedelta(minutes=1))
        make(order, status="succeeded")
        assert ">ready<" in badge_for(order)

    def test_is_narrowed_by_a_template(self, order):
        made = make(order, template="invoice", status="failed")
        make(order, template="note")
        assert ">failed<" in badge_for(order, "invoice")
        assert badge_for(order, "other") == ""
        assert badge_for(made, "note") == ""

    def test_is_that_of_a_document_and_of_a_shares_document(self, order):
        render = make(order, status="failed")
        assert ">failed<" in badge_for(render)
        assert ">failed<" in badge_for(share(render))

    def test_takes_one_query_for_an_object_and_none_for_a_render(
        self, order, django_assert_num_queries
    ):
        render = make(order, status="pending")
        badge_for(order)
        with django_assert_num_queries(1):
            badge_for(order)
        with django_assert_num_queries(0):
            badge_for(render)

    def test_reads_no_data(self, order, django_assert_num_queries):
        make(order, data={"secret": "x"})
        with django_assert_num_queries(1) as queries:
            badge_for(order)
        assert '"data"' not in queries[0]["sql"]
        assert "`data`" not in queries[0]["sql"]


class TestSignature:
    def test_says_how_far_it_is(self, order):
        ask_to_sign(make(order), "viewed", signed=1)
        ((tag, attributes), script) = Page(signature_for(order)).elements
        assert tag == "span"
        assert attributes["class"] == "craftkit-badge craftkit-badge--viewed"
        assert attributes["role"] == "status"
        assert attributes["data-craftkit-signed"] == "1"
        assert script == ("script", {"type": "module", "src": "/static/django_craftkit/badges.js"})
        assert ">opened, 1 of 2 signed</span>" in signature_for(order)

    @pytest.mark.parametrize(
        ("status", "signed", "label"),
        [
            ("pending", 0, "pending"),
            ("sent", 0, "sent, 0 of 2 signed"),
            ("viewed", 0, "opened, 0 of 2 signed"),
            ("viewed", 2, "opened, 2 of 2 signed"),
            ("completed", 2, "signed"),
            ("declined", 0, "declined"),
            ("declined", 1, "declined, 1 of 2 signed"),
            ("expired", 1, "expired, 1 of 2 signed"),
            ("cancelled", 0, "cancelled"),
            ("failed", 0, "failed"),
            ("rejected", 0, "rejected"),
        ],
    )
    def test_says_what_there_is_to_say_of_a_status(self, order, status, signed, label):
        request = ask_to_sign(make(order), status, signed=signed)
        html = signature_for(order)
        assert f">{label}</span>" in html
        assert ("data-craftkit-token" in html) is not request.is_final

    def test_counts_nobody_who_only_gets_a_copy(self, order):
        ask_to_sign(make(order), people=("Signer", "Approver", "CC"), signed=1)
        assert "1 of 2 signed" in signature_for(order)

    def test_of_nobody_who_signs_is_the_status(self, order):
        ask_to_sign(make(order), people=("CC",))
        assert ">sent</span>" in signature_for(order)

    def test_names_nobody(self, order):
        ask_to_sign(make(order))
        # Without the token, whose letters are any.
        shown = re.sub(r'data-craftkit-token="[^"]*"', "", signature_for(order))
        assert "Ada" not in shown
        assert "example.com" not in shown

    def test_is_refreshed_with_its_token(self, order, client):
        request = ask_to_sign(make(order))
        ((_, attributes), _) = Page(signature_for(order)).elements
        url, token = attributes["data-craftkit-url"], attributes["data-craftkit-token"]
        request.recipients.update(signed_at=NOW())
        SignatureRequest.objects.update(status="completed")
        assert refreshed(client, url, token) == {
            token: {"status": "completed", "label": "signed", "final": True, "signed": 2}
        }

    def test_is_the_newest_requests(self, order):
        now = NOW()
        render = make(order)
        for minutes, status in ((2, "declined"), (1, "completed"), (3, "expired")):
            ask_to_sign(render, status, requested_at=now - timedelta(minutes=minutes))
        for about in (order, render):
            assert ">signed<" in signature_for(about)

    def test_is_that_of_an_older_document_where_the_newest_is_for_nobody_to_sign(self, order):
        ask_to_sign(make(order), "completed")
        make(order)
        assert ">signed<" in signature_for(order)

    def test_is_narrowed_by_a_template(self, order):
        request = ask_to_sign(make(order, template="contract"), "completed")
        ask_to_sign(make(order, template="invoice"), "declined")
        for about in (request, request.render, order):
            assert ">signed<" in signature_for(about, "contract")
        assert signature_for(order, "other") == ""
        for about in (request, request.render):
            assert signature_for(about, "invoice") == ""

    def test_is_that_of_a_shares_document(self, order):
        render = make(order)
        ask_to_sign(render, "completed")
        assert ">signed<" in signature_for(share(render))

    def test_takes_two_queries(self, order, django_assert_num_queries):
        request = ask_to_sign(make(order))
        signature_for(order)
        for about in (order, request.render):
            with django_assert_num_queries(2):
                assert signature_for(about)
            with django_assert_num_queries(2):
                assert signature_for(about, "invoice")
        request = SignatureRequest.objects.get()
        with django_assert_num_queries(1):
            assert signature_for(request)
        request = SignatureRequest.objects.prefetch_related("recipients").get()
        with django_assert_num_queries(0):
            assert signature_for(request)

    def test_has_one_script_with_the_other_badges_of_the_page(self, order):
        ask_to_sign(make(order, status="pending"))
        html = show("{% craftkit_status o %}{% craftkit_signature o %}", o=order)
        assert html.count("<script") == 1


class TestOnePage:
    @pytest.fixture
    def orders(self):
        orders = [Order.objects.create(number=str(number)) for number in range(3)]
        for order in orders:
            make(order, status="pending")
        return orders

    @pytest.mark.parametrize(
        "row",
        [
            "{% craftkit_status order %}",
            '{% include "row.html" %}',
            '{% include "row.html" with order=order only %}',
            "{% with order=order %}{% craftkit_status order as badge %}{{ badge }}{% endwith %}",
        ],
    )
    def test_has_one_script_for_all_its_badges(self, orders, row):
        sources = {
            "row.html": "{% load craftkit %}<li>{% craftkit_status order %}</li>",
            "base.html": "<ul>{% block rows %}{% endblock %}</ul>",
            "page.html": '{% extends "base.html" %}{% load craftkit %}{% block rows %}'
            "{% for order in orders %}" + row + "{% endfor %}{% endblock %}",
        }
        engine = Engine(
            libraries={"craftkit": "django_craftkit.templatetags.craftkit"},
            loaders=[("django.template.loaders.locmem.Loader", sources)],
        )
        page = engine.get_template("page.html")
        for _ in range(2):  # the next visitor's page has one as well
            html = page.render(Context({"orders": orders}))
            assert html.count("craftkit-badge--pending") == 3
            assert html.count(SCRIPT) == 1

    def test_has_no_script_where_everything_has_ended(self, orders):
        Render.objects.update(status="succeeded")
        html = show(
            "{% for order in orders %}{% craftkit_status order %}{% endfor %}", orders=orders
        )
        assert "<script" not in html

    def test_has_the_nonce_of_its_page(self, orders):
        """For a policy that lets no script run without it."""
        text = "{% for order in orders %}{% craftkit_status order %}{% endfor %}"
        assert " nonce=" not in show(text, orders=orders)
        html = show(text, orders=orders, csp_nonce='a"b')
        assert html.count('nonce="a&quot;b"') == 1

    @pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 6.0 ships a middleware")
    def test_runs_under_the_policy_of_djangos_middleware(self, orders, rf):
        from django.middleware.csp import ContentSecurityPolicyMiddleware
        from django.template.context_processors import csp
        from django.utils.csp import CSP

        policy = {"default-src": [CSP.NONE], "script-src": [CSP.NONCE, CSP.STRICT_DYNAMIC]}
        text = "{% for order in orders %}{% craftkit_status order %}{% endfor %}"

        def view(request):
            return HttpResponse(show(text, orders=orders, **csp(request)))

        with override_settings(SECURE_CSP=policy):
            response = ContentSecurityPolicyMiddleware(view)(rf.get("/"))
        (nonce,) = re.findall(r'nonce="([^"]+)"', response.text)
        assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]

    def test_is_escaped_where_the_page_is_not(self, orders):
        text = "{% autoescape off %}{% craftkit_status order %}{% endautoescape %}"
        Page(show(text, order=orders[0]))


def test_no_tag_ever_calls_craftkit(craftkit, order):
    order.confirmed = True
    order.save()
    craftkit.run()
    Render.objects.get().share()
    craftkit.run()
    Render.objects.request("note", {"a": 1}, source=order)
    made = Render.objects.earliest("pk")
    made.send_for_signature(
        [Recipient("Ada", "Byron", "ada@example.com")], anchor_tags=[AnchorTag("x", "signature")]
    )
    before = len(craftkit.sandbox.requests)
    jobs = Job.objects.count()
    assert url_for(order).startswith("http")
    assert ">pending<" in badge_for(order)
    assert ">pending<" in signature_for(order)
    assert (len(craftkit.sandbox.requests), Job.objects.count()) == (before, jobs)


class TestAList:
    def test_of_a_hundred_objects_costs_four_queries(self, db, django_assert_num_queries):
        orders = [Order.objects.create(number=str(number)) for number in range(100)]
        for order in orders[:50]:
            render = make(order)
            share(render)
            ask_to_sign(render, "declined")
            ask_to_sign(render, "viewed", signed=1)
        orders.append(Order(number="unsaved"))
        ContentType.objects.get_for_model(Order)
        with django_assert_num_queries(4):
            Render.objects.prefetch_for(orders)
            shown = [(url_for(one), badge_for(one), signature_for(one)) for one in orders]
        assert all(url and ">ready<" in badge for url, badge, _ in shown[:50])
        assert all(">opened, 1 of 2 signed<" in signature for _, _, signature in shown[:50])
        assert shown[50:] == [("", "", "")] * 51

    def test_that_nobody_signs_costs_three(self, order, django_assert_num_queries):
        make(order)
        with django_assert_num_queries(3):
            Render.objects.prefetch_for([order])
            assert signature_for(order) == ""

    def test_shows_what_it_would_show_without(self, order):
        share(make(order, template="receipt"), url="https://example.com/receipt")
        share(make(order, template="invoice"), url="https://example.com/invoice")
        share(
            make(order, template="invoice", status="failed"), expires_at=NOW() - timedelta(days=9)
        )
        ask_to_sign(Render.objects.earliest("pk"), "completed")
        ask_to_sign(Render.objects.latest("pk"), "declined")
        shown = {
            slug: (url_for(order, slug), badge_for(order, slug), signature_for(order, slug))
            for slug in (None, "invoice", "receipt", "other")
        }
        Render.objects.prefetch_for([order])
        assert shown == {
            slug: (url_for(order, slug), badge_for(order, slug), signature_for(order, slug))
            for slug in (None, "invoice", "receipt", "other")
        }

    def test_may_hold_objects_of_several_models(self, order, django_user_model):
        person = django_user_model.objects.create(username="ada")
        make(order, status="failed")
        make(person, status="rejected")
        Render.objects.prefetch_for([order, person])
        assert ">failed<" in badge_for(order)
        assert ">rejected<" in badge_for(person)
