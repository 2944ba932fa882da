"""A number that a machine reads is written as machines write it, and read in no other way."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.template.loader import get_template
from django.test import Client
from django.utils import timezone, translation

from charter.models import Boat
from django_craftkit.models import (
    Change,
    EngagementEvent,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRequest,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.problems import ErrorCode
from tests.example.conftest import booking as booking

from .conftest import (
    MODELS,
    address,
    make_delivery,
    make_event,
    make_render,
    make_request,
    make_share,
    make_template,
    told,
)
from .signatures.conftest import JANE, fill
from .test_permissions import admins

pytestmark = pytest.mark.django_db

#: Digits grouped by a comma, a point, a space that breaks no line, an apostrophe; Arabic digits.
LANGUAGES = ["en", "de", "fr", "de-ch", "ar", "hi"]
#: What people read, and no machine.
WORDS = {"title", "alt", "aria-label", "aria-description", "placeholder", "content", "data-label"}
GROUPED = re.compile(
    r"\d[,'\u2019\u066c\u00a0\u202f]\d|(?<![\d.])\d{1,3}(?:\.\d{3})+(?![\d.])|[\u0660-\u0669\u0966-\u096f]"
)


class Machine(HTMLParser):
    """Collects what machines read of a page, and the forms that it sends."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.read: list[tuple[str, str, str]] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._is_drawing_of_django = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        if tag == "symbol":
            self._is_drawing_of_django = True
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        if tag == "input" and "name" in given and self.forms:
            self.forms[-1][1][given["name"]] = given.get("value", "")
        for name, value in given.items():
            is_word = name in WORDS or (name == "value" and given.get("type") == "submit")
            if not is_word and not self._is_drawing_of_django:
                self.read.append((tag, name, value))

    def handle_endtag(self, tag):
        if tag == "symbol":
            self._is_drawing_of_django = False

    @property
    def misread(self) -> list[tuple[str, str, str]]:
        return [one for one in self.read if GROUPED.search(one[2])]


@pytest.fixture(autouse=True)
def grouped(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    settings.CRAFTKIT_PROJECTS = {"default": settings.CRAFTKIT_PROJECTS["default"]}


@pytest.fixture
def rows():
    """One row of everything, under a number of four digits, in which most can be done with it."""
    now = timezone.now()
    person = User.objects.create_user("jane", pk=9123)
    render = make_render(
        pk=1234, source=person, requested_by=person, version=2031, counts={"viewed": 5432}
    )
    make_share(render, pk=1)
    make_share(render, pk=234)
    share = make_share(
        render,
        "unknown",
        pk=2345,
        error_code=ErrorCode.MAIL_UNPROVEN,
        by_mail=True,
        recipient_email="max@example.com",
        sending_since=now,
    )
    make_share(render, pk=1235, click_count=4321)
    request = make_request(
        render, "sent", {"first_name": "Jane", "email": JANE["email"]}, pk=3456, requested_at=now
    )
    event = make_event(render, pk=4567)
    change = Change.objects.create(
        pk=7891,
        kind="render",
        object_id=render.pk,
        to_status="failed",
        cause="poll",
        announcement="abandoned",
        receivers={"shop.hear": {"attempts": 9, "error": "ValueError"}},
    )
    return {
        Render: render,
        Share: share,
        SignatureRequest: request,
        EngagementEvent: event,
        Template: make_template(pk=6543, version=2031),
        WebhookDelivery: make_delivery(pk=5678, status="failed"),
        Job: Job.objects.create(pk=6789, kind="render", object_id=render.pk, due_at=now),
        Change: change,
        ProjectState: ProjectState.objects.create(
            pk=8912, project="default", paused_at=now, pause_reason="x", probe_at=now
        ),
    }


def pages(rows) -> list[str]:
    """Return the address of every page that is read: lists, rows, histories, forms."""
    found = ["/admin/", "/admin/craftkit/"]
    for model, row in rows.items():
        found += [
            address(model),
            address(model, "change", row.pk),
            address(model, "history", row.pk),
        ]
    for name in ("share", "email", "sign", "withdraw"):
        found.append(address(Render, name, rows[Render].pk))
    found += [
        address(Render, "share", rows[Render].pk) + "?made=1235",
        address(Render, "sign", rows[Render].pk) + "?rows=20",
        address(Share, "retry", rows[Share].pk),
        address(SignatureRequest, "cancel", rows[SignatureRequest].pk),
    ]
    return found


@pytest.fixture(params=LANGUAGES)
def language(request, boss):
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = request.param
    return request.param


class TestWhatIsWritten:
    def test_is_read_by_machines_on_every_page(self, boss, rows, language):
        for path in pages(rows):
            assert Machine(boss.shows(path)).misread == [], path

    def test_is_read_by_machines_on_every_confirmation_and_form_that_was_sent(
        self, boss, rows, language
    ):
        shares = list(Share.objects.order_by("pk"))
        sent = [
            boss.act("revoke", *shares),
            boss.act("withdraw", rows[Render], make_render(pk=1236)),
            boss.post(address(Share, "revoke/"), {"ids": "1235"}),
            boss.post(address(Render, "sign", 1234), fill(JANE)),
            boss.post(address(Render, "sign", 1234) + "?rows=8", fill(JANE, more="1")),
            boss.post(address(Render, "share", 1234), {"token": "x"}),
            boss.post(address(SignatureRequest, "cancel", 3456), {"reason": "x" * 501}),
        ]
        for response in sent:
            assert response.status_code == 200
            assert Machine(response.content.decode()).misread == []

    def test_is_read_by_machines_on_the_public_pages(self, rows, language, booking):
        Boat.objects.update(built=1998)
        guest = Client(headers={"accept-language": language})
        for path in ("/", booking.boat.get_absolute_url(), booking.get_absolute_url()):
            html = guest.get(path).content.decode()
            assert Machine(html).misread == []
            # A year is no quantity.
            assert ("1998" in html) == (path != booking.get_absolute_url())

    def test_is_read_by_machines_in_a_badge(self, language):
        badge = {"status": "sent", "label": "x", "signed": 1234, "token": "x", "url": "/"}
        with translation.override(language):
            html = get_template("craftkit/badge.html").render(badge)
        assert 'data-craftkit-signed="1234"' in html

    def test_is_read_by_people_as_they_write_it(self, boss, rows):
        html = boss.shows(address(Render, "change", 1234))
        assert "4,321 times" in html
        assert ">5,432<" in html
        assert "4,321 times" in boss.act("revoke", Share.objects.get(pk=1235)).content.decode()

    def test_is_a_version_as_code_names_it(self, boss, rows):
        html = boss.shows(address(Render, "change", 1234))
        assert ">2031<" in html

    @pytest.mark.parametrize("path", ["render/1234", "share/1235"])
    def test_by_the_button_beside_a_link_revokes_that_link(self, boss, rows, language, path):
        """The page wrote "1,235", and the view took it for links 1 and 235."""
        html = boss.shows(f"/admin/craftkit/{path}/change/")
        url = address(Share, "revoke/")
        wanted = [form for action, form in Machine(html).forms if action == url]
        (form,) = [form for form in wanted if form["ids"] == "1235"]
        asked = boss.post(url, form)
        (confirmed,) = [
            form for action, form in Machine(asked.content.decode()).forms if action == url
        ]
        boss.post(url, confirmed)
        revoked = Share.objects.exclude(revoke_requested_at=None)
        assert [share.pk for share in revoked] == [1235]

    def test_by_the_form_asks_once_more_after_that_request(self, boss, rows, language):
        html = boss.post(address(Render, "sign", 1234), fill(JANE)).content.decode()
        (after,) = [form["after"] for _action, form in Machine(html).forms if "after" in form]
        boss.post(address(Render, "sign", 1234), fill(JANE, once_more="on", after=after))
        assert SignatureRequest.objects.filter(key__endswith=":3456").count() == 1


#: What no page of ours writes where a number is due.
ODD = {
    "a comma": "1,234",
    "a point": "1.234",
    "a space": "1 234",
    "a space that breaks no line": "1\u00a0234",
    "a semicolon": "1;234",
    "a space before": " 234",
    "a break after": "234\n",
    "other digits": "२३४",
    "Arabic digits": "٢٣٤",
    "a sign": "-1",
    "a plus": "+1",
    "nothing": "",
    "zero": "0",
    "zeros before": "0234",
    "underscores": "2_34",
    "an exponent": "1e3",
    "hexadecimal": "0xea",
    "many digits": "9" * 19,
    "very many digits": "9" * 5000,
    "a number that Python takes for itself": "NaN",
    "a list": "[234]",
    "NUL": "234\0",
}
#: The same among others, and what only many can be.
ODD_MANY = {
    **ODD,
    **{f"{name} after another": f"1-{text}" for name, text in ODD.items()},
    "one twice": "234-234",
    "one that is not there": "1-99999",
    "none between": "1--234",
    "no end": "1-",
}


def state() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in MODELS]


def is_refused(boss, path: str, form) -> bool:
    """Post a form; whether it was refused, and nothing else said."""
    response = boss.post(path, form)
    # To show the message takes a page more, which others look at.
    assert response.status_code == 302
    boss.cookies.pop("messages", None)
    said = get_messages(response.wsgi_request)._queued_messages
    return [message.level_tag for message in said] == ["error"]


@pytest.mark.parametrize("confirm", [{}, {"confirm": "1"}], ids=["asked", "confirmed"])
@pytest.mark.parametrize(("model", "page"), [(Share, "revoke/"), (Render, "withdraw/")])
def test_ids_that_no_page_wrote_are_refused_whole(boss, rows, model, page, confirm):
    make_render(pk=1)
    make_render(pk=234)
    before = state()
    for what, ids in ODD_MANY.items():
        assert is_refused(boss, address(model, page), {"ids": ids, **confirm}), what
        assert state() == before, what


@pytest.mark.parametrize(("model", "page"), [(Share, "revoke/"), (Render, "withdraw/")])
def test_ids_that_are_missing_or_there_twice_are_refused_whole(boss, rows, model, page):
    before = state()
    response = boss.post(address(model, page), {"confirm": "1"}, follow=True)
    assert [level for level, _text in told(response)] == ["error"]
    twice = {"ids": ["1234", "1"] if model is Render else ["1", "234"], "confirm": "1"}
    assert boss.post(address(model, page), twice).status_code == 400
    assert state() == before


def test_ids_that_a_page_wrote_are_taken_whole(boss, rows):
    shares = list(Share.objects.filter(pk__in=[1, 234, 1235]))
    url = address(Share, "revoke/")
    html = boss.act("revoke", *shares).content.decode()
    boss.post(url, next(form for action, form in Machine(html).forms if action == url))
    revoked = Share.objects.exclude(revoke_requested_at=None)
    assert set(revoked) == set(shares)


#: An action of each list that has one.
ACTIONS = [
    (Render, "withdraw"),
    (Render, "retry"),
    (Render, "share"),
    (Share, "revoke"),
    (Template, "read_anew"),
    (WebhookDelivery, "replay"),
    (Job, "take_up"),
    (Change, "replay"),
    (ProjectState, "try_again"),
]


def test_the_table_has_the_actions_of_every_list(boss, rf):
    request = rf.get("/")
    request.user = boss.user
    found = {(one.model, name) for one in admins().values() for name in one.get_actions(request)}
    assert found == set(ACTIONS)


#: The form of an action, of whose row "{pk}" is the number.
ODD_FORMS = [
    *({"_selected_action": text} for text in ODD.values() if text),
    {"_selected_action": "1,{pk}"},
    {"_selected_action": ["{pk}", "{pk}"]},
    {"_selected_action": ["{pk}", "x"]},
    {"select_across": "x"},
    {"select_across": "1,000"},
    {"select_across": ["0", "1"]},
    {"index": "1e3"},
    {"index": "x"},
]


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=str)
def test_rows_of_a_list_that_no_page_wrote_are_refused_whole(boss, rows, model, action):
    def filled(value):
        if isinstance(value, list):
            return [filled(one) for one in value]
        return value.replace("{pk}", str(rows[model].pk))

    before = state()
    for form in ODD_FORMS:
        data = {"_selected_action": "{pk}", "index": "0", **form, "action": action}
        data = {name: filled(value) for name, value in data.items()}
        assert is_refused(boss, address(model), data), form
        assert state() == before, form


class TestAFormThatNoPageWrote:
    EVA = {**JANE, "email": "eva@example.com"}

    def refuses(
        self, boss, page: str, form, name: str, status: int = 200, known: str | None = None
    ) -> None:
        """Post a form with each oddity in one of its fields; ``known`` is none there."""
        before = state()
        for what, text in ODD.items():
            if text != known:
                response = boss.post(address(Render, page, 1234), {**form, name: text})
                assert response.status_code == status, what
                assert state() == before, what

    @pytest.mark.parametrize("page", ["share", "email"])
    def test_says_nothing_of_when_a_link_ends(self, boss, rows, page):
        form = {"token": "a" * 32, "to": "eva@example.com"}
        self.refuses(boss, page, form, "expires")

    def test_says_nothing_of_the_time_to_sign(self, boss, rows):
        # Nothing is as long as Craftkit gives by itself.
        self.refuses(boss, "sign", fill(self.EVA), "days", known="")

    @pytest.mark.parametrize(("name", "known"), [("TOTAL", "4"), ("INITIAL", "0")])
    def test_says_nothing_of_how_many_people_there_are(self, boss, rows, name, known):
        self.refuses(boss, "sign", fill(self.EVA), f"people-{name}_FORMS", known=known)

    def test_says_nothing_of_the_request_that_was_there_before(self, boss, rows):
        self.refuses(boss, "sign", fill(JANE, once_more="on"), "after")

    def test_says_nothing_of_how_many_rows_it_wants(self, boss, rows):
        path = address(Render, "sign", 1234)
        for what, text in ODD.items():
            query = urlencode({"rows": text})
            response = boss.post(f"{path}?{query}", fill(JANE, more="1"))
            assert response.status_code == 400, what


def test_a_request_for_another_document_is_none_to_follow(boss, rows):
    other = make_request(make_render(), "sent", {"email": JANE["email"]}, pk=4444)
    before = state()
    data = fill(JANE, once_more="on", after=str(other.pk))
    assert boss.post(address(Render, "sign", 1234), data).status_code == 200
    assert state() == before


def test_people_beyond_those_that_a_form_counts_are_not_left_out(boss, rows):
    eva, max_ = ({**JANE, "email": f"{name}@example.com"} for name in ("eva", "max"))
    before = state()
    data = fill(eva, max_) | {"people-TOTAL_FORMS": "1"}
    assert boss.post(address(Render, "sign", 1234), data).status_code == 200
    assert state() == before


@pytest.mark.parametrize(
    "name", ["people-TOTAL_FORMS", "days", "after", "once_more", "people-0-email"]
)
def test_a_field_that_is_there_twice_is_not_half_of_it(boss, rows, name):
    before = state()
    data = fill({**JANE, "email": "eva@example.com"}, after="", once_more="on")
    data[name] = [data[name], data[name]]
    assert boss.post(address(Render, "sign", 1234), data).status_code == 400
    assert state() == before
