"""Whatever is stored, of whatever length and depth: its pages answer, stay small and say so."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import suppress
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models import BinaryField, JSONField
from django.utils import timezone
from django.utils.html import escape
from hypothesis import given
from hypothesis import strategies as st

from django_craftkit.admin.common.truncate import SHOWN, laid_out
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
    SignatureRecipient,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.problems import ErrorCode

from .conftest import (
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

pytestmark = pytest.mark.django_db

#: Bytes of a page at most.
LIMIT = 1_000_000
#: Each of them takes six bytes of a page.
QUOTES = "\"'" * 30_000
#: What may be of any length in each model.
LONG = {
    Render: ("data", "answer", "error", "field_errors"),
    Share: ("message", "error", "field_errors"),
    SignatureRequest: ("fields", "anchor_tags", "answer", "error", "field_errors"),
    EngagementEvent: ("metadata",),
    Batch: (),
    EmbedSession: (),
    FormSubmission: ("data", "answer"),
    Template: ("description", "manifest", "json_schema"),
    WebhookDelivery: ("body", "error"),
    Job: ("error",),
    Change: ("note", "receivers"),
    ProjectState: ("pause_reason",),
}
#: JSON that a column may hold.
JSON = {
    "deep": "[" * 900 + "]" * 900,
    "deeper": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "deep and wide": "[" * 60 + ",".join("1" * 60_000) + "]" * 60,
    "long": json.dumps({"reason": "x" * 1_000_000}),
    "quotes": json.dumps({QUOTES: [QUOTES], "reason": QUOTES}),
    "many": json.dumps({f"f{n}": [QUOTES[:300]] * 4 for n in range(1_000)}),
    "many in one": json.dumps({"total": ["Wrong."] * 50_000}),
    "no object": json.dumps("x" * 100_000),
    "Greek": json.dumps({"ελληνικά": "λ" * 100_000}),
}


@pytest.fixture
def rows() -> dict[Any, Any]:
    now = timezone.now()
    person = User.objects.create_user("jane")
    render = make_render("rejected", data={}, requested_by=person, error="No.")
    return {
        Render: render,
        Share: make_share(
            render,
            "unknown",
            error_code=ErrorCode.MAIL_UNPROVEN,
            error="?",
            by_mail=True,
            recipient_email="max@example.com",
            sending_since=now,
        ),
        SignatureRequest: make_request(render, "declined", error="No."),
        EngagementEvent: make_event(render, metadata={}),
        Batch: make_batch(),
        EmbedSession: make_session(),
        FormSubmission: make_submission(),
        Template: make_template(),
        WebhookDelivery: make_delivery(status="failed"),
        Job: Job.objects.create(kind="render", object_id=render.pk, due_at=now),
        Change: Change.objects.create(
            kind="render", object_id=render.pk, to_status="failed", cause="poll", receivers={}
        ),
        ProjectState: ProjectState.objects.create(project="default", paused_at=now),
    }


def store(row: Any, name: str, text: str | bytes) -> None:
    """Write a column past everything that would refuse it."""
    table, column = (connection.ops.quote_name(one) for one in (row._meta.db_table, name))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [text, row.pk])


def pages(rows: dict[Any, Any]) -> list[str]:
    found = ["/admin/", "/admin/craftkit/"]
    for model, row in rows.items():
        found += [address(model), address(model) + "?all=", address(model, "change", row.pk)]
        found.append(address(model, "history", row.pk))
    found += [address(Render, name, rows[Render].pk) for name in ("share", "email", "sign")]
    found += [
        address(Render, "withdraw", rows[Render].pk),
        address(Share, "retry", rows[Share].pk),
        address(SignatureRequest, "cancel", rows[SignatureRequest].pk),
    ]
    return found


def read(boss: Any, rows: dict[Any, Any]) -> None:
    """Open every page; fail for one that does not answer, or is too large."""
    for path in pages(rows):
        response = boss.get(path, follow=True)
        assert response.status_code == 200, path
        assert len(response.content) < LIMIT, (path, len(response.content))


class TestEveryPage:
    @pytest.mark.parametrize("text", JSON.values(), ids=JSON)
    def test_answers_and_is_small_whatever_json_is_stored(self, boss, rows, text):
        for model, row in rows.items():
            for field in model._meta.concrete_fields:
                if isinstance(field, JSONField) and field.name != "counts":
                    # Some databases keep no JSON that is so deep.
                    with suppress(DatabaseError):
                        store(row, field.name, text)
        store(rows[WebhookDelivery], "body", text.encode())
        read(boss, rows)

    @pytest.mark.parametrize(
        "text", [QUOTES, "x" * 1_000_000, "\n" * 50_000], ids=["quotes", "one word", "lines"]
    )
    def test_answers_and_is_small_whatever_was_said(self, boss, rows, text):
        for model, row in rows.items():
            for name in LONG[model]:
                if not isinstance(model._meta.get_field(name), (JSONField, BinaryField)):
                    store(row, name, text)
        read(boss, rows)

    @pytest.mark.parametrize(
        "body",
        [b'"' * 5_000_000, b"{" * 5_000_000, b"\xff" * 5_000_000],
        ids=["quotes", "brackets", "no text"],
    )
    def test_answers_and_is_small_whatever_came(self, boss, rows, body):
        row = rows[WebhookDelivery]
        WebhookDelivery.objects.update(body=body)
        for path in (address(WebhookDelivery), address(WebhookDelivery, "change", row.pk)):
            assert len(boss.shows(path).encode()) < LIMIT
        assert boss.get(address(WebhookDelivery, "raw", row.pk), {"of": "body"}).content == body

    def test_answers_and_is_small_however_many_there_are_of_everything(self, boss, rows):
        now = timezone.now()
        render, request = rows[Render], rows[SignatureRequest]
        name = QUOTES[:200]
        Share.objects.bulk_create(
            (
                Share(
                    render=render,
                    key=str(n),
                    key_hash=hash_key(str(n)),
                    status="active",
                    url=f"https://craftkit.dev/s/{QUOTES[: 10_000 * (n % 2)]}",
                    recipient_email=QUOTES[:250],
                    recipient_name=name,
                    error=QUOTES[:5000],
                    requested_at=now - timedelta(seconds=n),
                    mailed_at=now,
                    by_mail=True,
                )
                for n in range(1_200)
            ),
            batch_size=100,
        )
        SignatureRecipient.objects.bulk_create(
            SignatureRecipient(
                request=request, position=n, first_name=QUOTES[:100], email=QUOTES[:250]
            )
            for n in range(1, 3_000)
        )
        for _ in range(15):
            people = [{"first_name": QUOTES[:100], "email": QUOTES[:250]}] * 25
            make_request(render, "sent", *people, name=QUOTES[:255])
        EngagementEvent.objects.bulk_create(
            EngagementEvent(
                project="default",
                event_id=uuid.uuid4(),
                render=render,
                type="viewed",
                actor="recipient",
                user_agent=QUOTES[:512],
                metadata={"x": QUOTES[:2000]},
            )
            for _ in range(2_000)
        )
        about = (("render", render), ("signature", request))
        Change.objects.bulk_create(
            Change(
                kind=about[n % 2][0],
                object_id=about[n % 2][1].pk,
                to_status="failed",
                cause="poll",
                note=QUOTES[:5000],
                receivers={f"shop.{n}": {"error": QUOTES[:500]} for n in range(3)},
            )
            for n in range(1_000)
        )
        keys = [QUOTES[:200] + str(n) for n in range(150)]
        for key in keys:
            make_render("failed", key=key, template=QUOTES[:120], error=QUOTES[:5000])
        read(boss, rows)
        shares = list(Share.objects.order_by("pk")[:900])
        for response in (
            boss.act("revoke", *shares),
            boss.act("withdraw", *Render.objects.all()),
        ):
            assert response.status_code == 200
            assert b'name="confirm"' in response.content
            assert len(response.content) < LIMIT


@pytest.fixture(params=MODELS, ids=NAMES)
def model(request):
    return request.param


def long_value(model: Any, name: str) -> str:
    field = model._meta.get_field(name)
    if not isinstance(field, JSONField):
        return "".join(f"{n} " for n in range(20_000))
    if name == "receivers":
        return json.dumps({f"shop.hear_{n}": {"attempts": n, "error": "x"} for n in range(5_000)})
    return json.dumps({f"field_{n}": [str(n)] for n in range(5_000)})


class TestAPageThatIsCut:
    def test_says_so_and_leads_to_the_whole(self, staff, rows, model):
        row = rows[model]
        desk = staff(f"view_{model._meta.model_name}")
        for name in LONG[model]:
            path = address(model, "change", row.pk)
            link = f"{address(model, 'raw', row.pk)}?of={name}"
            assert link not in desk.shows(path)
            text = long_value(model, name)
            store(row, name, text.encode() if name == "body" else text)
            html = desk.shows(path)
            assert f'<a href="{link}">' in html, name
            assert "This is only its beginning." in html
            response = desk.get(link)
            assert response.status_code == 200
            assert response["Content-Disposition"].startswith("attachment;")
            assert response["X-Content-Type-Options"] == "nosniff"
            assert "no-store" in response["Cache-Control"]
            if isinstance(model._meta.get_field(name), JSONField):
                assert json.loads(response.content) == json.loads(text)
            else:
                assert response.content.decode() == text

    def test_hands_out_no_other_column(self, boss, rows, model):
        names = {field.name for field in model._meta.concrete_fields} - set(LONG[model])
        for name in [*sorted(names), "", "pk", "x", "render__data", "__class__"]:
            response = boss.get(address(model, "raw", rows[model].pk), {"of": name})
            assert response.status_code == 404, name

    def test_hands_out_nothing_to_who_may_not_see_it(self, staff, rows, model):
        others = {f"view_{name}" for name in NAMES} - {f"view_{model._meta.model_name}"}
        desk = staff(*others)
        for name in LONG[model]:
            path = address(model, "raw", rows[model].pk)
            assert desk.get(path, {"of": name}).status_code == 403

    def test_hands_out_no_note_that_it_hides(self, staff):
        change = Change.objects.create(
            kind="signature", object_id=1, to_status="declined", cause="poll", note="The price."
        )
        path = address(Change, "raw", change.pk) + "?of=note"
        assert staff("view_change").get(path).status_code == 404
        desk = staff("view_change", "view_signaturerequest")
        assert desk.get(path).content == b"The price."

    @pytest.mark.parametrize(
        "name", ["downloadUrl", "\\u0064ownloadUrl", "downl\\u006fadUrl", "downl\\u006FadUrl"]
    )
    def test_hands_out_no_address_that_anybody_could_use(self, boss, rows, name):
        text = f'{{"{name}": "https://cdn/open", "x": "{"y" * 30_000}"}}'
        render, delivery = rows[Render], rows[WebhookDelivery]
        store(render, "answer", text)
        store(delivery, "body", text.encode())
        for row, column in ((render, "answer"), (delivery, "body")):
            page = boss.shows(address(type(row), "change", row.pk))
            response = boss.get(address(type(row), "raw", row.pk), {"of": column})
            for content in (page, response.content.decode()):
                assert "cdn" not in content
            assert json.loads(response.content)["downloadUrl"] == "…"

    def test_of_a_way_says_so_and_leads_to_all_changes(self, boss, staff, rows):
        render = rows[Render]
        path = address(Render, "change", render.pk)
        link = f"{address(Change)}?kind=render&amp;object_id={render.pk}"
        assert link not in boss.shows(path)
        Change.objects.create(
            kind="render", object_id=render.pk, to_status="failed", cause="poll", note="x" * 5_000
        )
        html = boss.shows(path)
        assert link in html
        boss.shows(unescape(link))
        assert link not in staff("view_render").shows(path)

    def test_of_people_says_how_many_more_there_are(self, boss, rows):
        request = make_request(rows[Render], "sent", *[{}] * 1_300)
        html = boss.shows(address(SignatureRequest, "change", request.pk))
        assert "and 1240 more" in html
        assert "0 of 1300" in html


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class TestJSONThatIsLaidOut:
    @given(JSONS, st.booleans())
    def test_is_as_python_writes_it(self, value, is_ascii):
        text = json.dumps(value, ensure_ascii=is_ascii)
        page, is_cut = laid_out(text)
        wanted = json.dumps(value, indent=2, ensure_ascii=False)
        assert page == f"<pre>{escape(wanted.encode('utf-8', 'backslashreplace').decode())}</pre>"
        assert not is_cut

    @given(JSONS, st.integers(0, 200))
    def test_may_be_half_of_it(self, value, length):
        laid_out(json.dumps(value)[:length])

    @pytest.mark.parametrize("text", JSON.values(), ids=JSON)
    def test_has_a_limit(self, text):
        page, is_cut = laid_out(text)
        assert len(page) <= 6 * SHOWN
        assert is_cut or len(text) < SHOWN

    def test_keeps_its_deepest_levels_in_one_line(self):
        page, is_cut = laid_out(JSON["deep"])
        assert not is_cut
        assert re.fullmatch(r"<pre>(\s*\[)+(\]\s*)+</pre>", page)
        assert page.count("[") == page.count("]") == 900
