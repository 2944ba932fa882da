"""An address asks of a list what its pages show to whoever asks, and nothing else.

Whoever may filter by a column reads it letter by letter. Who adds a column writes here whether the
pages show it; the sweep fails until they have.
"""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone

from django_craftkit.models import (
    Batch,
    Change,
    EmbedSession,
    EngagementEvent,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from tests.admin.conftest import (
    MODELS,
    NAMES,
    address,
    make_batch,
    make_delivery,
    make_event,
    make_render,
    make_request,
    make_session,
    make_share,
    make_submission,
    make_template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

#: What the pages of each model show to whoever may see them, whole and of every row.
SHOWN = {
    Render: (
        "id project template version filename key source_type source_id status builder error "
        "remote_id attempt requested_at attempted_at accepted_at completed_at withdrawn_at "
        "erased_at updated_at"
    ),
    Share: (
        "id render project status channel by_mail recipient_email message click_count error "
        "remote_id requested_at mailed_at expires_at revoke_requested_at revoked_at updated_at"
    ),
    SignatureRequest: (
        "id render project name status remote_id attempt requested_at sent_at accepted_at "
        "completed_at cancel_requested_at cancel_reason poll_at updated_at"
    ),
    Template: (
        "id project slug remote_id name template_type version created_at updated_at seen_at gone_at"
    ),
    Batch: "id name template project requested_at filled_at completed_at",
    EngagementEvent: "id render project event_id type actor ip_address user_agent occurred_at",
    EmbedSession: (
        "id mode template tenant_id actor_id collect project remote_id created_at expires_at"
    ),
    FormSubmission: (
        "id template version project session_id render_remote_id submitted_at received_at body_hash"
    ),
    WebhookDelivery: (
        "id project delivery_id event about status error error_code attempts body_hash received_at "
        "processed_at due_at"
    ),
    Job: "id kind object_id project due_at attempts failures error_code created_at",
    Change: (
        "id kind object_id attempt from_status to_status cause signal announcement created_at"
    ),
    ProjectState: (
        "id project capability paused_at pause_code pause_reason probes probe_at swept_at "
        "webhook_heard_at worker_seen_at templates_read_at"
    ),
}
#: What they show besides to who has more permissions.
NOTES = frozenset({"view_signaturerequest", "view_projectstate"})
MORE = NOTES | {"view_batch"}
SHOWN_WITH = {
    (NOTES, Change): {"note"},
    (frozenset({"view_projectstate"}), Job): {"error"},
    (frozenset({"view_batch"}), Render): {"batch"},
}
#: How a column is read letter by letter, or bit by bit.
LOOKUPS = ("", "exact", "iexact", "in", "startswith", "contains", "gt", "lte", "isnull", "range")
LOOKUPS += ("regex", "iregex", "id", "pk", "length", "year", "date__gt", "has_key", "0", "x")
#: What an address may compare the key of another row with: that row's primary key, in links.
LED_TO = {"", "exact", "in", "isnull", "id", "pk"}


def shown(model: Any, *rights: str) -> set[str]:
    more = [
        columns for (more, of), columns in SHOWN_WITH.items() if of is model and more <= set(rights)
    ]
    return set(SHOWN[model].split()).union(*more)


def paths(model: Any, depth: int = 2) -> Iterator[tuple[str, ...]]:
    """Yield every column of a model, and of what it leads to or is led to, over two relations."""
    for field in model._meta.get_fields(include_hidden=True):
        if field.concrete and not field.many_to_many:
            yield (field.name,)
            if field.attname != field.name:
                yield (field.attname,)
        other = field.related_model
        if depth and field.is_relation and isinstance(other, type):
            for path in paths(other, depth - 1):
                yield (field.name, *path)


def row_of(model: Any) -> Any:
    """Return a row of which every column says something."""
    now = timezone.now()
    person = User.objects.create_user("jane", password="x")
    render = make_render(
        "failed", source=person, requested_by=person, error="Broken.", builder="a.b"
    )
    rows = {
        Render: lambda: render,
        Share: lambda: make_share(
            render, "rejected", requested_by=person, error="No.", recipient_email="a@example.com"
        ),
        SignatureRequest: lambda: make_request(
            render, "sent", {"signed_at": now}, name="Mine", cancel_requested_at=now
        ),
        EngagementEvent: lambda: make_event(render, share_remote_id=uuid.uuid4()),
        Batch: lambda: make_batch(requested_by=person, completed_at=now),
        EmbedSession: lambda: make_session(
            source=person, created_by=person, tenant_id="t", actor_id="a", expires_at=now
        ),
        FormSubmission: lambda: make_submission(
            source=person, render=render, render_remote_id=uuid.uuid4(), submitted_at=now
        ),
        Template: lambda: make_template(created_at=now, updated_at=now),
        WebhookDelivery: lambda: make_delivery(status="failed", event="x", due_at=now),
        Job: lambda: Job.objects.create(kind="render", object_id=render.pk, due_at=now),
        Change: lambda: Change.objects.create(
            kind="signature",
            object_id=1,
            to_status="declined",
            cause="poll",
            note="The price.",
            person=person,
        ),
        ProjectState: lambda: ProjectState.objects.create(project="eu", paused_at=now),
    }
    return rows[model]()


@pytest.fixture(params=MODELS, ids=NAMES)
def model(request):
    return request.param


def request_of(rf, desk, path: str = "/", **query: Any):
    request = rf.get(path, query)
    # Permissions are kept with the person.
    request.user = User.objects.get(pk=desk.user.pk)
    return request


class TestAFilterInAnAddress:
    @pytest.mark.parametrize("more", [(), MORE], ids=["alone", "more"])
    def test_is_of_a_column_that_the_pages_show(self, model, staff, rf, more):
        rights = {f"view_{model._meta.model_name}", *more}
        request = request_of(rf, staff(*rights))
        model_admin = admin.site.get_model_admin(model)
        filters = {one.partition("__")[0] for one in _parameters(model_admin)}
        known = shown(model, *rights)
        assert filters <= known | {"state"}
        swept = 0
        for path in paths(model):
            name = model._meta.get_field(path[0]).name
            for lookup in LOOKUPS:
                asked = "__".join((*path, lookup)) if lookup else "__".join(path)
                allowed = model_admin.lookup_allowed(asked, "x", request)
                is_key = model._meta.get_field(path[0]).is_relation
                led = is_key and (path[1:] in ((), ("id",)) and lookup in LED_TO)
                may = name in known and (led if is_key else "regex" not in lookup)
                assert not allowed or may, asked
                swept += 1
            if len(path) == 1 and name in known:
                assert model_admin.lookup_allowed(f"{name}__exact", "x", request), name
        assert swept > 200

    def test_of_what_is_hidden_is_refused_whatever_is_in_it(self, model, staff):
        row = row_of(model)
        desk = staff(f"view_{model._meta.model_name}")
        hidden = [
            field
            for field in model._meta.concrete_fields
            if field.name not in shown(model) and field.name != "key_hash"
        ]
        assert hidden
        for field in hidden:
            for lookup in ("exact", "startswith", "gt", "isnull", "regex"):
                for value in (field.value_from_object(row), "0"):
                    query = {f"{field.name}__{lookup}": str(value)}
                    assert desk.get(address(model), query).status_code == 400, query

    @pytest.mark.parametrize(
        ("of", "query"),
        [
            (ProjectState, "namespace__startswith=0"),
            (Change, "note__startswith=T"),
            (Change, "recipient__email__startswith=j"),
            (Change, "recipient__isnull=True"),
            (Change, "recipient=1"),
            (Render, "requested_by__password__startswith=md5"),
            (Render, "requested_by__is_superuser__exact=1"),
            (Render, "shares__url__startswith=https"),
            (Render, "signature_requests__recipients__email__startswith=j"),
            (Render, "source_type__app_label__startswith=a"),
            (Render, "answer__downloadUrl__startswith=https"),
            (Render, "data__total__gt=1"),
            (Share, "render__error__startswith=B"),
            (Share, "key__startswith=desk"),
            (SignatureRequest, "recipients__declined_at__isnull=False"),
            (EngagementEvent, "share_remote_id__startswith=0"),
            (WebhookDelivery, "body__startswith=x"),
            (Job, "lease_token__startswith=0"),
            (Render, "key__regex=(a%2B)%2B$"),
        ],
    )
    def test_of_these_is_refused_on_every_kind_of_list(self, staff, of, query):
        desk = staff(f"view_{of._meta.model_name}")
        for more in ("", "&e=1", "&p=1", "&all=", "&_popup=1", "&o=1", "&q=x", "&_to_field=id"):
            assert desk.get(f"{address(of)}?{query}{more}").status_code == 400
        assert desk.post(f"{address(of)}?{query}", {"action": "x"}).status_code == 400

    def test_of_a_note_is_for_who_may_see_every_note(self, staff):
        row = row_of(Change)
        path = f"{address(Change)}?note__startswith=The"
        assert staff("view_change").get(path).status_code == 400
        assert staff("view_change", "view_signaturerequest").get(path).status_code == 400
        desk = staff("view_change", *NOTES)
        assert [one.pk for one in desk.get(path).context["cl"].result_list] == [row.pk]
        assert "The price." in desk.shows(address(Change, "change", row.pk))

    @pytest.mark.parametrize("kind", ["signature", "project"])
    def test_shows_a_note_to_who_may_see_what_it_is_about(self, staff, kind):
        row = row_of(Change)
        Change.objects.update(kind=kind)
        page = address(Change, "change", row.pk)
        own = {"signature": "view_signaturerequest", "project": "view_projectstate"}[kind]
        assert "The price." in staff("view_change", own).shows(page)
        assert "The price." not in staff("view_change", *(NOTES - {own})).shows(page)

    def test_that_a_page_offers_or_links_to_is_answered(self, boss, model):
        row_of(model)
        for query in re.findall(r'href="(\?[a-z_]+=[^"]*)"', boss.shows(address(model))):
            boss.shows(address(model) + unescape(query))
        document = boss.shows(address(Render, "change", Render.objects.get().pk))
        for url in re.findall(r'href="([^"]*\?render__id__exact=\d+)"', document):
            boss.shows(url)

    def test_by_no_column_is_led_back_from(self, boss):
        response = boss.get(address(Render) + "?utm_source=x")
        assert (response.status_code, response.url) == (302, address(Render) + "?e=1")


def _parameters(model_admin: Any) -> set[str]:
    return {one if isinstance(one, str) else one.parameter_name for one in model_admin.list_filter}


def value_of(field: Any, n: int) -> Any:
    """Return the first or the second of two values of a column."""
    if isinstance(field, models.ForeignKey):
        if field.related_model is ContentType:
            return ContentType.objects.get_for_model((User, Permission)[n]).pk
        return make_render(key=f"another-{n}").pk
    if field.choices:
        return field.choices[n][0]
    kind = field.get_internal_type()
    values: dict[str, Any] = {
        "BooleanField": n == 1,
        "DateTimeField": timezone.now() - timedelta(days=40 * (n + 1)),
        "UUIDField": uuid.UUID(int=n + 1),
        "GenericIPAddressField": f"192.0.2.{n + 1}",
    }
    if kind in values:
        return values[kind]
    if "Integer" in kind:
        return 70 + n
    return "ab"[n] * min(field.max_length or 30, 12)


class TestAPage:
    def seen(self, desk: Any, row: Any) -> str:
        model = type(row)
        pages = desk.shows(address(model)) + desk.shows(address(model, "change", row.pk))
        # What each request has for itself, and how long ago it is.
        return re.sub(r'(name="csrfmiddlewaretoken" value|nonce)="[^"]*"|>[^<]* ago<', "", pages)

    def test_shows_every_column_that_an_address_may_filter_by(self, model, staff):
        row = row_of(model)
        desk = staff(f"view_{model._meta.model_name}")
        for name in sorted(shown(model) - {"id"}):
            field = model._meta.get_field(name)
            both = []
            for n in (0, 1):
                value = value_of(field, n)
                model.objects.filter(pk=row.pk).update(**{field.attname: value})
                both.append(self.seen(desk, row))
                is_text = isinstance(field, (models.CharField, models.TextField))
                if is_text and not field.choices and name not in ("kind", "to_status"):
                    assert value in both[-1], name
                query = {f"{field.attname}__isnull": "0"}
                assert desk.get(address(model), query).status_code == 200, name
            assert both[0] != both[1], name


class TestASearch:
    def test_finds_by_nothing_that_the_pages_hide(self, model, staff):
        row = row_of(model)
        desk = staff(f"view_{model._meta.model_name}")
        pages = unescape(desk.shows(address(model)) + desk.shows(address(model, "change", row.pk)))
        about = [row, *Render.objects.all(), *User.objects.filter(username="jane")]
        texts = {
            str(field.value_from_object(one))
            for one in about
            for field in one._meta.concrete_fields
            if not isinstance(field, models.DateTimeField)
        }
        found = 0
        for text in texts:
            response = desk.get(address(model), {"q": text})
            if text.strip() and row in response.context["cl"].result_list:
                found += bool(response.context["cl"].search_fields)
                assert text in pages or not response.context["cl"].search_fields, text
        assert found or model is ProjectState

    @pytest.mark.parametrize("of", [Job, Change])
    def test_by_a_documents_key_is_for_who_may_see_documents(self, staff, of):
        render = make_render(key="invoice-7")
        Job.objects.create(kind="render", object_id=render.pk)
        Change.objects.create(kind="render", object_id=render.pk, to_status="queued", cause="poll")
        right = f"view_{of._meta.model_name}"
        for rights, number in (((right,), 0), ((right, "view_render"), 1)):
            response = staff(*rights).get(address(of), {"q": "invoice-7"})
            assert len(response.context["cl"].result_list) == number
            assert ("key of a document" in response.content.decode()) == bool(number)


class TestAnOrder:
    def test_is_by_a_column_that_the_list_offers(self, model, staff):
        desk = staff(f"view_{model._meta.model_name}")
        first = row_of(model)
        for n in range(2):
            values = {
                field.attname: value_of(field, n)
                for field in model._meta.concrete_fields
                if field.name in shown(model) - {"id"}
            }
            row = model.objects.get(pk=first.pk)
            row.pk, row._state.adding = None, True
            for name, value in values.items():
                setattr(row, name, value)
            for field in model._meta.concrete_fields:
                if field.name in ("key", "key_hash", "delivery_id", "event_id"):
                    setattr(row, field.name, uuid.uuid4() if "id" in field.name else str(n))
            row.save()

        def order(query: str = "") -> list[int]:
            return [one.pk for one in desk.get(address(model) + query).context["cl"].result_list]

        links = re.findall(r'\?o=([-.\d]+)"', desk.shows(address(model)))
        offered = set(re.findall(r"\d+", ".".join(links)))
        columns = admin.site.get_model_admin(model).list_display
        usual = order()
        assert len(usual) == 3
        for n in range(len(columns) + 3):
            if str(n) not in offered:
                assert order(f"?o={n}") == order(f"?o=-{n}") == usual, n


class TestAnotherWayToARow:
    def test_is_its_primary_key_and_nothing_else(self, model, boss):
        row = row_of(model)
        for field in model._meta.concrete_fields:
            status = 200 if field.primary_key else 400
            value = field.value_from_object(row)
            for path in (address(model), address(model, "change", value or "x")):
                response = boss.get(path, {"_to_field": field.name, "_popup": "1"})
                assert response.status_code == status, field.name

    @pytest.mark.parametrize(
        ("of", "key", "right"),
        [
            ("share", "render", "view_render"),
            ("signaturerecipient", "request", "view_signaturerequest"),
        ],
    )
    def test_by_completing_what_is_typed_takes_the_permission_of_the_list(
        self, staff, of, key, right
    ):
        make_request(make_render(key="invoice-7"))
        query = {"app_label": "craftkit", "model_name": of, "field_name": key, "term": "invoice"}
        assert staff("view_share").get("/admin/autocomplete/", query).status_code == 403
        answer = staff(right).get("/admin/autocomplete/", query).json()
        assert len(answer["results"]) == 1


class TestAListOfAProjectsOwn:
    @pytest.fixture
    def own(self, rf, staff):
        class Own(type(admin.site.get_model_admin(Render))):
            list_filter = (
                "requested_by",
                "shares__channel",
                ("error_code", admin.EmptyFieldListFilter),
            )
            date_hierarchy = "sent_at"

        model_admin = Own(Render, admin.site)
        request = request_of(rf, staff("view_render"))
        return lambda lookup: model_admin.lookup_allowed(lookup, "x", request)

    def test_filters_by_what_it_declares(self, own):
        for lookup in (
            "requested_by__id__exact",
            "requested_by__isnull",
            "shares__channel__exact",
            "error_code__isempty",
            "sent_at__year",
            "sent_at__gte",
        ):
            assert own(lookup), lookup

    def test_and_by_nothing_behind_it(self, own):
        for lookup in (
            "requested_by__password__startswith",
            "requested_by__startswith",
            "shares__url__startswith",
            "error_code__startswith",
            "answer__x",
        ):
            assert not own(lookup), lookup

    def test_may_be_chosen_from_as_its_keys_limit_it(self, rf, staff, monkeypatch):
        limits = [{"withdrawn_by__isnull": True}, lambda: {"error_code": "x"}]
        monkeypatch.setattr(Render._meta, "related_fkey_lookups", limits)
        model_admin = admin.site.get_model_admin(Render)
        request = request_of(rf, staff("view_render"))
        allowed = model_admin.lookup_allowed
        assert allowed("withdrawn_by__isnull", "1", request)
        assert allowed("error_code", "x", request)
        assert not allowed("error_code", "y", request)
