"""Each moment of a page is the reader's, in their zone, and in the language of its sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.conf import global_settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import DateTimeField
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import trans_real

from django_craftkit.models import EngagementEvent, Render, Share, SignatureRequest
from django_craftkit.models.archive import ArchivedFile
from django_craftkit.models.arguments import EARLIEST, LATEST, hash_key
from django_craftkit.models.share_manager import mail_key
from django_craftkit.words import ago, inside, since, when

from .conftest import MODELS, address, make_event, make_render, make_request, make_rows, make_share

#: Another day than in UTC, and another minute's hour.
FAR = "Pacific/Kiritimati"
MOMENT = datetime(2031, 5, 3, 12, 34, 56, tzinfo=UTC)
#: What no row is given any more, and older ones may hold.
EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
#: Before our first year in every zone west of Greenwich.
NEVER = datetime(1, 1, 1, tzinfo=UTC)


@pytest.fixture
def rows(boss):
    """Rows of everything in many states, whose every moment is the same one."""

    def make(moment: datetime) -> None:
        make_rows(len(SignatureRequest.Status.values))
        render = make_render(counts={"viewed": 1}, requested_by=boss.user)
        make_event(render)
        key = mail_key("jane@example.com", "Read it")
        make_share(render, by_mail=True, key_hash=hash_key(key), requested_by=boss.user)
        make_share(render, requested_by=boss.user)
        request = make_request(render, "sent", {}, {"declined_at": moment})
        ArchivedFile.objects.create(
            kind="signed", object_id=request.pk, name="x.pdf", size=1234, sha256="0" * 64
        )
        for row in (render, request):
            LogEntry.objects.log_actions(boss.user.pk, [row], CHANGE, change_message="Did it.")
        LogEntry.objects.update(action_time=min(max(moment, EARLIEST), LATEST))  # this site's own
        for model in apps.get_app_config("craftkit").get_models():
            fields = [f for f in model._meta.concrete_fields if isinstance(f, DateTimeField)]
            if fields:
                model._default_manager.update(**{field.name: moment for field in fields})
        # Nothing that is over, or taken back, can be handed out.
        left = {"erased_at": None}
        Render.objects.filter(pk=render.pk).update(withdrawn_at=None, superseded_at=None, **left)
        Share.objects.filter(render=render).update(revoke_requested_at=None, **left)
        SignatureRequest.objects.filter(pk=request.pk).update(cancel_requested_at=None, **left)

    return make


#: Whose pages differ by the state of a row.
STATEFUL = (Render, Share, SignatureRequest)


def pages(desk, **headers) -> dict[str, str]:
    """Return every page of the desk that shows rows."""
    paths = ["/admin/craftkit/", "/admin/"]
    for model in MODELS:
        paths.append(address(model))
        pks = model._default_manager.values_list("pk", flat=True)
        paths.append(address(model, "history", pks[0]))
        paths += [address(model, "change", pk) for pk in pks[: 20 if model in STATEFUL else 1]]
    for render in Render.objects.filter(withdrawn_at=None):
        paths += [address(Render, page, render.pk) for page in ("share", "email", "sign")]
        paths.append(address(Render, "withdraw", render.pk))
    for row in SignatureRequest.objects.filter(cancel_requested_at=None):
        paths.append(address(SignatureRequest, "cancel", row.pk))
    for share in Share.objects.filter(revoke_requested_at=None, by_mail=False):
        paths.append(f"{address(Render, 'share', share.render_id)}?made={share.pk}")
    shown = {}
    for path in paths:
        answer = desk.get(path, headers=headers, follow=True)
        assert answer.status_code == 200, path
        shown[path] = answer.content.decode()
    mail = Share.objects.filter(by_mail=True, revoke_requested_at=None).get()
    form = {"to": "jane@example.com", "message": "Read it", "expires": "7", "token": "0" * 32}
    again = desk.post(address(Render, "email", mail.render_id), form, headers=headers)
    assert again.status_code == 200
    shown["the same mail again"] = again.content.decode()
    return shown


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_every_page_shows_the_time_of_its_reader(boss, rows, settings, language):
    settings.TIME_ZONE = FAR
    rows(MOMENT)
    found = set()
    for path, page in pages(boss, accept_language=language).items():
        # What machines read says its zone.
        shown = re.sub(r'datetime="[^"]+"', "", page)
        # The number of a month stands in no key: keys are random.
        for utc in ("12:34", "2031-05-03", "May 3, 2031", "3. Mai 2031", "3 مايو"):
            assert utc not in shown, path
        found |= {here for here in ("02:34", "2031-05-04", "2:34") if here in shown}
    assert {"02:34", "2031-05-04"} <= found
    assert str(EngagementEvent.objects.first()).endswith("2031-05-04 02:34")


@pytest.mark.parametrize(
    ("zone", "moment"),
    [(FAR, EVER), ("America/Los_Angeles", NEVER), ("UTC", EVER), ("UTC", NEVER)],
    ids=["east, for ever", "west, never", "for ever", "never"],
)
def test_a_moment_that_a_zone_does_not_have_is_shown(boss, rows, settings, zone, moment):
    settings.TIME_ZONE = zone
    rows(moment)
    assert pages(boss)
    assert str(moment.year) in str(EngagementEvent.objects.first())


#: What begins a sentence of its own.
BLOCKS = {"p", "li", "td", "th", "div", "h1", "h2", "dt", "dd", "label", "title", "desc", "section"}
BLOCKS |= {"table", "tr", "tbody", "thead", "ul", "ol", "fieldset", "form", "figcaption", "option"}
BLOCKS |= {"a", "button", "body", "head", "html", "main", "nav", "header", "footer", "summary"}


#: What Django's own sentences name, and nobody has translated.
_NAMED = [config.verbose_name for config in apps.get_app_configs()]
_NAMED += [model._meta.verbose_name for model in MODELS]
NAMES = re.compile("|".join(re.escape(str(name)) for name in _NAMED), re.IGNORECASE)


class Sentences(HTMLParser):
    """What a page says, each block and each title alone."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, list[str]]] = [("", [])]
        self.feed(page)
        self.said += ["".join(parts) for _tag, parts in self._open]

    def handle_starttag(self, tag, attrs):
        self.said += [value for name, value in attrs if name == "title" and value]
        if tag in BLOCKS:
            self._open.append((tag, []))

    def handle_endtag(self, tag):
        if tag in BLOCKS and any(name == tag for name, _parts in self._open):
            while True:
                name, parts = self._open.pop()
                if name != "summary":  # "By …", Django's own around the name of a filter
                    self.said.append(" ".join("".join(parts).split()))
                if name == tag:
                    break

    def handle_data(self, data):
        self._open[-1][1].append(data)


ARABIC, LATIN = re.compile(r"[\u0620-\u064a]{2}"), re.compile(r"[A-Za-z]{2}")


def mixed(page: str) -> list[str]:
    """Return the sentences of a page's content that are partly translated."""
    content = page.partition('<div id="content-main"')[2].partition('<footer id="footer"')[0]
    said = [one for one in Sentences(content).said if ARABIC.search(one)]
    return [one for one in said if LATIN.search(NAMES.sub("", one))]


def test_no_sentence_is_half_translated(boss, rows):
    """Where a language has no catalogue of ours, Django's own words stand alone."""
    rows(timezone.now())
    seen = pages(boss, accept_language="ar")
    assert any(ARABIC.search(page) for page in seen.values())
    assert {path: found for path, page in seen.items() if (found := mixed(page))} == {}


def test_how_long_ago_is_said_in_no_language_but_the_readers():
    now = MOMENT + timedelta(hours=3)
    spoken = {"en": "3\xa0hours ago", "de": "vor 3\xa0Stunden"}
    for language, _name in global_settings.LANGUAGES:
        with translation.override(language):
            assert ago(MOMENT, now) == spoken.get(language.partition("-")[0], when(MOMENT))
            assert inside(ago, MOMENT, now) in spoken.values()


def test_a_text_that_comes_out_in_the_sites_language_has_its_months(settings, monkeypatch):
    monkeypatch.setattr(trans_real, "_translations", {})
    settings.LANGUAGE_CODE = "de"
    with translation.override("ar"):
        assert inside(date_format, MOMENT, "F") == "Mai"
        assert since(MOMENT, MOMENT + timedelta(hours=2, minutes=7)) == "2\xa0Stunden, 7\xa0Minuten"
