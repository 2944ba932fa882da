"""The inbox: what is Craftkit's is kept, everything else is refused, nothing can break it."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import time
import uuid
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_craftkit import dispatch
from django_craftkit.models import WebhookDelivery
from django_craftkit.privacy import kept_body
from django_craftkit.waking import by_celery, waker
from django_craftkit.webhooks import signature, views
from django_craftkit.webhooks.signature import sign
from django_craftkit.webhooks.views import receive

from .conftest import SECRET, Sender

pytestmark = pytest.mark.django_db

BODY = b'{"event": "render.queued"}'
FUZZ = hypothesis_settings(max_examples=60)
#: What a WSGI server makes of a header's bytes.
HEADER = st.binary(max_size=80).map(lambda value: value.decode("latin-1"))


def stored() -> int:
    return WebhookDelivery.objects.count()


class TestWhatIsCraftkits:
    def test_is_stored_as_it_came_and_answered_with_200(self, send):
        delivery_id = uuid.uuid4()
        body = b'{"event": "render.queued",   "spaces": "kept"}\n'

        response = send(body, delivery_id=str(delivery_id))

        assert (response.status_code, response.content) == (200, b"")
        delivery = WebhookDelivery.objects.get()
        assert bytes(delivery.body) == body
        assert delivery.body_hash == hashlib.sha256(body).hexdigest()
        assert (delivery.project, delivery.delivery_id) == ("default", delivery_id)
        assert (delivery.status, delivery.event, delivery.about) == ("received", "", None)
        assert delivery.due_at is not None

    @pytest.mark.parametrize("end", ["", "/"])
    def test_is_taken_with_and_without_a_slash(self, send, end):
        assert send(path=f"/craftkit/webhooks/default{end}").status_code == 200
        assert stored() == 1

    def test_is_taken_with_any_of_several_secrets(self, send, projects):
        projects["default"]["WEBHOOK_SECRETS"] = ["the old one", "the new one"]
        assert send(secret=b"the old one").status_code == 200
        assert send(secret=b"the new one").status_code == 200
        assert send(secret=SECRET).status_code == 401

    def test_is_taken_with_a_secret_that_was_pasted_with_blanks(self, send, projects):
        projects["default"]["WEBHOOK_SECRETS"] = ["\t whsec-tests\n"]
        assert send().status_code == 200

    def test_is_taken_with_an_upper_case_signature(self, send):
        assert send(signature=sign(BODY, SECRET).upper()).status_code == 200

    def test_is_verified_with_the_secret_of_its_own_project(self, send, projects):
        projects["eu"] = {"WEBHOOK_SECRETS": ["of eu"]}
        assert send(path="/craftkit/webhooks/eu", secret=SECRET).status_code == 401
        assert send(path="/craftkit/webhooks/eu", secret=b"of eu").status_code == 200
        assert WebhookDelivery.objects.get().project == "eu"

    def test_needs_no_api_key(self, send, projects):
        del projects["default"]["API_KEY"]
        assert send().status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"\0", b"\xff\xfe", b'{"event": NaN}'),
            pytest.param(b"[" * 100_000, id="deep"),
            pytest.param(b"9" * 10_000, id="huge"),
        ],
    )
    def test_is_kept_whatever_it_says(self, send, body):
        assert send(body).status_code == 200
        assert bytes(WebhookDelivery.objects.get().body) == body

    @FUZZ
    @given(body=st.binary(max_size=2_000), delivery_id=HEADER)
    def test_is_kept_whatever_its_bytes_and_its_id(self, body, delivery_id):
        WebhookDelivery.objects.all().delete()
        assert Sender(Client())(body, delivery_id=delivery_id).status_code == 200
        assert bytes(WebhookDelivery.objects.get().body) == kept_body(body)


class TestWhatIsNot:
    @pytest.mark.parametrize(
        "signature",
        [None, " ", "0" * 64, "ÿ" * 64, "sha256=" + sign(BODY, SECRET), sign(BODY, b"another")],
    )
    def test_is_refused_and_not_stored(self, send, signature):
        assert send(BODY, signature=signature).status_code == 401
        assert stored() == 0

    def test_is_another_body_under_a_right_signature(self, send):
        assert send(BODY + b" ", signature=sign(BODY, SECRET)).status_code == 401
        assert stored() == 0

    @FUZZ
    @given(body=st.binary(max_size=500), signature=HEADER, timestamp=HEADER, delivery_id=HEADER)
    @example(b"", "", "", "")
    @example(b"{}", "\xff", "\xb2", "\x00")
    def test_any_bytes_are_a_4xx_and_leave_nothing(self, body, signature, timestamp, delivery_id):
        response = Sender(Client())(
            body,
            signature=signature or " ",
            timestamp=timestamp or None,
            delivery_id=delivery_id or None,
        )
        assert 400 <= response.status_code < 500
        assert stored() == 0

    @FUZZ
    @given(path=st.text(st.characters(blacklist_categories=["Cs"]), max_size=100))
    @example("default\n")
    def test_any_project_is_a_4xx(self, path):
        response = Sender(Client())(path=f"/craftkit/webhooks/{quote(path, safe='')}x")
        assert response.status_code in (401, 404)
        assert stored() == 0

    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
    def test_only_post_is_allowed(self, client, method):
        response = getattr(client, method)("/craftkit/webhooks/default")
        assert (response.status_code, response["Allow"]) == (405, "POST")

    @pytest.mark.parametrize("secrets", [None, [], [""], [" \t"], [None]])
    def test_without_a_secret_everything_is_refused_and_logged(
        self, send, projects, secrets, caplog
    ):
        projects["default"]["WEBHOOK_SECRETS"] = secrets
        assert send(secret=b"").status_code == 401
        assert send(signature=None).status_code == 401
        assert stored() == 0
        assert "CRAFTKIT_PROJECTS['default']" in caplog.text
        assert "WEBHOOK_SECRETS" in caplog.text

    def test_the_characters_of_a_string_are_no_secrets(self, send, projects, caplog):
        """A string in place of the list would be a list of secrets with one character each."""
        projects["default"]["WEBHOOK_SECRETS"] = "whsec-tests"
        assert send(secret=b"w").status_code == 401
        assert stored() == 0
        assert "CRAFTKIT_PROJECTS['default']['WEBHOOK_SECRETS']" in caplog.text


#: What differs between these is the site's business, and none of a stranger's.
STATES = {
    "a right project, a wrong signature": {"WEBHOOK_SECRETS": ["another"]},
    "no secret": {"API_KEY": "ck_test_x"},
    "secrets that can't be used": {"WEBHOOK_SECRETS": "whsec-tests"},
    "no dict": ["ck_test_x"],
    "no such project": None,
}


class TestAStranger:
    @pytest.fixture(params=STATES.values(), ids=STATES.keys())
    def state(self, request, projects):
        put(projects, request.param)

    @pytest.mark.parametrize("given", ["", "0" * 64, "ÿ", None])
    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 9])
    def test_gets_one_answer_whatever_the_settings_are(self, send, projects, given, body):
        answers = set()
        for state in STATES.values():
            put(projects, state)
            response = send(body, path="/craftkit/webhooks/asked/", signature=given)
            answers.add((response.status_code, response.content, *response.headers.items()))
        (answer,) = answers
        assert answer[:2] == (401, b"The signature is wrong.\n")
        assert stored() == 0

    def test_has_each_body_measured_before_anybody_looks_for_the_project(self, send, state):
        with override_settings(CRAFTKIT={"WEBHOOK_MAX_BYTES": 10}):
            response = send(b"x" * 11, path="/craftkit/webhooks/asked/")
        assert (response.status_code, response.content) == (413, b"The body is too large.\n")

    def test_waits_for_a_signature_to_be_made_whatever_the_settings_are(
        self, send, state, monkeypatch
    ):
        made = []
        monkeypatch.setattr(signature, "sign", lambda *given: made.append(given) or "no")
        send(path="/craftkit/webhooks/asked/", signature="0" * 64)
        assert len(made) == 1


def put(projects, state):
    if state is None:
        projects.pop("asked", None)
    else:
        projects["asked"] = state


class TestTheLog:
    @pytest.fixture
    def lines(self, caplog):
        """What the log has of it, whoever wrote it."""
        return lambda: [record.getMessage() for record in caplog.records]

    @pytest.fixture
    def clock(self, monkeypatch):
        clock = SimpleNamespace(now=1_000.0, monotonic=lambda: clock.now)
        monkeypatch.setattr(views, "time", clock)
        return clock

    def test_has_one_line_a_minute_and_project_and_then_how_many_there_were(
        self, send, projects, lines, clock
    ):
        projects["eu"] = {}
        for path in ("default", "eu", "default", "default"):
            send(path=f"/craftkit/webhooks/{path}", signature=None)
        send(timestamp="0")
        assert len(lines()) == 2
        clock.now += 59.9
        send(signature=None)
        assert len(lines()) == 2
        clock.now += 0.2
        send(timestamp="0")
        (line,) = lines()[2:]
        assert re.search("'default'.*timestamp.*3 times.*signature.*1 times.*timestamp", line)
        send(path="/craftkit/webhooks/eu", signature=None)
        assert re.search("\\['eu'\\].*WEBHOOK_SECRETS", lines()[3])

    def test_takes_all_projects_that_there_are_not_for_one(self, send, lines, refusals):
        for number in range(50):
            send(path=f"/craftkit/webhooks/none-{number}")
        (line,) = lines()
        assert "'none-0'" in line
        assert list(refusals._next) == list(refusals._unsaid) == [None]

    @pytest.mark.parametrize(
        "alias", ["a\nERROR forged", "a\r\x1b[31m", "a\u2028b", "\u202eb", "x" * 5_000], ids=ascii
    )
    def test_can_t_be_forged_by_an_address(self, send, lines, alias):
        send(path=f"/craftkit/webhooks/{quote(alias, safe='')}")
        (line,) = lines()
        assert line.isprintable()
        assert len(line) < 300


class TestTheTimestamp:
    @pytest.mark.parametrize("off", [-86_000, 0, 86_000])
    def test_may_be_off_by_a_day(self, send, off):
        assert send(timestamp=str(int(time.time()) + off)).status_code == 200

    @pytest.mark.parametrize("off", [-87_000, 87_000])
    def test_further_off_is_refused(self, send, off):
        assert send(timestamp=str(int(time.time()) + off)).status_code == 400
        assert stored() == 0

    @pytest.mark.parametrize("timestamp", [None, "", "soon", "-1", "1e9", "²"])
    def test_garbled_or_missing_is_refused(self, send, timestamp):
        assert send(timestamp=timestamp if timestamp != "" else " ").status_code == 400
        assert stored() == 0

    def test_window_is_a_setting(self, send, settings):
        settings.CRAFTKIT = {"WEBHOOK_TOLERANCE": 60}
        assert send(timestamp=str(int(time.time()) - 90)).status_code == 400
        assert send(timestamp=str(int(time.time()) - 30)).status_code == 200

    def test_none_switches_the_window_off(self, send, settings):
        settings.CRAFTKIT = {"WEBHOOK_TOLERANCE": None}
        assert send(timestamp="1").status_code == 200
        assert send(timestamp=None).status_code == 200


class Tap(io.BytesIO):
    """A connection that counts what is taken from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def raw_request(stream, length, **environ):
    return RequestFactory().generic(
        "POST",
        "/craftkit/webhooks/default",
        content_type="application/json",
        **{"wsgi.input": stream, "CONTENT_LENGTH": str(length), **environ},
    )


class TestLength:
    @pytest.fixture(autouse=True)
    def limit(self, settings):
        settings.CRAFTKIT = {"WEBHOOK_MAX_BYTES": 1_000}

    def test_a_body_of_the_limit_is_taken(self, send):
        assert send(b"x" * 1_000).status_code == 200

    def test_one_byte_more_is_refused(self, send):
        assert send(b"x" * 1_001).status_code == 413
        assert stored() == 0

    def test_no_more_than_the_limit_and_a_byte_is_read(self):
        stream = Tap(b"x" * 50_000)
        assert receive(raw_request(stream, 50_000), project="default").status_code == 413
        assert stream.taken <= 1_001

    @pytest.mark.parametrize(
        ("length", "status"),
        [
            *(("0", 401), ("", 401), ("5", 401), (str(len(BODY) + 1), 401)),
            *(("-1", 400), ("many", 400), ("+25", 400), ("²", 400), ("25, 25", 400)),
            pytest.param("1" * 40, 413, id="huge"),
            pytest.param("1" * 5_000, 400, id="more digits than Python reads"),
        ],
    )
    def test_a_length_that_lies_is_no_way_in(self, length, status):
        stream = Tap(BODY + b"x" * 50_000)
        request = raw_request(stream, length, HTTP_X_CRAFTKIT_SIGNATURE=sign(BODY, SECRET))
        assert receive(request, project="default").status_code == status
        assert stream.taken <= 1_001
        assert stored() == 0

    def test_is_no_matter_of_djangos_limit_for_forms(self, send, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        assert send(b"x" * 500).status_code == 200
        assert stored() == 1

    def test_ten_megabytes_unless_told(self, send, settings):
        settings.CRAFTKIT = {}
        assert send(b" " * 3_000_000).status_code == 200
        assert send(b" " * 10_000_001).status_code == 413


class TestKnownDeliveries:
    def test_twice_is_one_row(self, send):
        delivery_id = str(uuid.uuid4())
        assert send(b"first", delivery_id=delivery_id).status_code == 200
        assert send(b"again", delivery_id=delivery_id).status_code == 200
        assert bytes(WebhookDelivery.objects.get().body) == b"first"

    def test_the_same_id_in_two_projects_is_two_rows(self, send, projects):
        projects["eu"] = projects["default"]
        delivery_id = str(uuid.uuid4())
        send(delivery_id=delivery_id)
        send(delivery_id=delivery_id, path="/craftkit/webhooks/eu")
        assert set(WebhookDelivery.objects.values_list("project", flat=True)) == {"default", "eu"}

    def test_one_that_was_worked_off_stays_so(self, send):
        delivery_id = str(uuid.uuid4())
        send(delivery_id=delivery_id)
        WebhookDelivery.objects.update(status="processed", due_at=None)
        send(delivery_id=delivery_id)
        assert WebhookDelivery.objects.get().status == "processed"

    def test_without_an_id_the_body_tells(self, send):
        for body in (b"one", b"one", b"two"):
            assert send(body, delivery_id=None).status_code == 200
        assert stored() == 2

    @pytest.mark.parametrize(
        "delivery_id", ["evt_17", pytest.param("x" * 5_000, id="long"), "ÿþ", "{", "1_" * 16]
    )
    def test_an_id_that_is_no_uuid_is_an_id(self, send, delivery_id):
        assert send(b"one", delivery_id=delivery_id).status_code == 200
        assert send(b"two", delivery_id=delivery_id).status_code == 200
        assert send(b"one", delivery_id=delivery_id + "'").status_code == 200
        assert stored() == 2


def read_the_body(get_response):
    return lambda request: request.body is None or get_response(request)


def read_the_form(get_response):
    return lambda request: request.POST is None or get_response(request)


def cross_everything(get_response):
    """A middleware of somebody's that makes all of a request's data, as loggers do."""

    def middleware(request):
        assert request.POST is not None
        assert request.body is not None
        return get_response(request)

    return middleware


class TestTheSiteAround:
    @pytest.mark.parametrize("name", ["read_the_body", "read_the_form", "cross_everything"])
    def test_a_middleware_may_have_read_the_body(self, send, name):
        with override_settings(MIDDLEWARE=[f"{__name__}.{name}", *settings.MIDDLEWARE]):
            assert send(BODY).status_code == 200
        assert bytes(WebhookDelivery.objects.get().body) == BODY

    def test_login_is_not_required(self, send):
        required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, required]):
            assert send().status_code == 200

    def test_is_outside_of_the_transaction_of_a_request_for_every_database(self):
        assert receive._non_atomic_requests == set(connections)

    def test_is_what_the_url_leads_to(self):
        # What Django looks for the marks on.
        view = resolve("/craftkit/webhooks/default").func
        assert view is receive
        assert view.csrf_exempt
        assert not view.login_required


@pytest.mark.django_db(transaction=True, databases="__all__")
class TestStoring:
    def test_is_one_query(self, send, wakes):
        connection.ensure_connection()
        with CaptureQueriesContext(connection) as queries:
            send()
        assert len(queries) == 1
        with CaptureQueriesContext(connection) as queries:
            assert send(signature=None).status_code == 401
        assert len(queries) == 0

    @pytest.mark.parametrize("atomic", [True, False])
    def test_survives_whatever_the_site_does_after_it(self, wakes, atomic, monkeypatch):
        for one in connections.all():
            monkeypatch.setitem(one.settings_dict, "ATOMIC_REQUESTS", atomic)
        send = Sender(Client(raise_request_exception=False))
        with override_settings(MIDDLEWARE=[f"{__name__}.fail_afterwards"]):
            assert send().status_code == 500
        assert stored() == 1

    @pytest.mark.parametrize("atomic", [True, False])
    def test_wakes_the_worker_once_it_is_stored(self, send, wakes, atomic, monkeypatch):
        for one in connections.all():
            monkeypatch.setitem(one.settings_dict, "ATOMIC_REQUESTS", atomic)
        send()
        assert wakes == [0.0]

    def test_what_is_refused_wakes_nobody(self, send, wakes):
        send(signature=None)
        assert wakes == []

    def test_a_broken_broker_is_no_business_of_craftkits(self, send, monkeypatch, caplog):
        def wake(delay=0.0):
            raise ConnectionRefusedError("no broker")

        monkeypatch.setattr(dispatch, "wake", wake)
        assert send().status_code == 200
        assert stored() == 1

    def test_a_storm_is_one_message_now_and_one_for_the_rest(self, send, monkeypatch):
        messages: list[float] = []
        way = SimpleNamespace(
            can_defer=True,
            is_inline=lambda: False,
            send=lambda arguments, countdown: messages.append(countdown),
        )
        clock = SimpleNamespace(monotonic=lambda: 1_000.0)
        monkeypatch.setattr(by_celery, "way", lambda: way)
        monkeypatch.setattr(waker, "time", clock)
        one = waker.Waker()
        monkeypatch.setattr(waker, "_current", one)

        for _ in range(30):
            assert send().status_code == 200

        assert stored() == 30
        monkeypatch.undo()
        assert one.flush(30)
        assert messages[0] == 0.0
        assert [0 < later <= 2 * waker.INTERVAL for later in messages[1:]] == [True]


def fail_afterwards(get_response):
    def middleware(request):
        response = get_response(request)
        raise RuntimeError(f"after {response.status_code}")

    return middleware


class TestSecrets:
    def test_are_in_no_log_and_no_answer(self, send, projects, caplog):
        caplog.set_level(logging.DEBUG)
        projects["default"] = {"API_KEY": "ck_live_sesame", "WEBHOOK_SECRETS": ["abracadabra"]}
        answers = [
            send(secret=b"abracadabra"),
            send(secret=b"another"),
            send(secret=b"abracadabra", timestamp="0"),
            send(signature="abracadabra"),
            send(path="/craftkit/webhooks/elsewhere"),
        ]
        assert [answer.status_code for answer in answers] == [200, 401, 400, 401, 401]
        said = caplog.text + "".join(answer.content.decode() for answer in answers)
        assert "was refused" in said
        assert "abracadabra" not in said
        assert "sesame" not in said

    def test_a_refusal_is_plain_text(self, send):
        assert send(signature=None)["Content-Type"] == "text/plain"
