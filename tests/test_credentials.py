"""What is known of a project: the settings first, then the resolver, which is seldom asked."""

from __future__ import annotations

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import DatabaseError, connection, transaction
from django.test import override_settings

from django_craftkit import conf, credentials, resolver, tenants
from django_craftkit.client import AuthenticationError, Craftkit, Secret
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.models import Render
from django_craftkit.projects import forget, get_client, is_replaced
from tests.resolvers import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "open-sesame"


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """This process's clock, which stands still."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(credentials, "time", clock)
    return clock


def failing(error: BaseException):
    def fail() -> None:
        raise error

    return fail


def refused(key: str, called_at: float) -> AuthenticationError:
    error = AuthenticationError()
    error.fingerprint, error.called_at = Secret(key).fingerprint, called_at
    return error


class TestAProjectOfTheResolver:
    def test_has_what_an_entry_of_the_settings_has(self, store):
        store.entries["acme"] = {
            "API_KEY": " ck_live_1\n",
            "WEBHOOK_SECRETS": ["one", None, " two "],
            "BASE_URL": "https://eu.craftkit.dev",
            "TIMEOUT": 5,
            "ADAPTER": "requests.adapters.HTTPAdapter",
        }
        project = credentials.project("acme")
        assert (project.api_key, project.base_url) == ("ck_live_1", "https://eu.craftkit.dev")
        assert (project.timeout, project.adapter.__name__) == ((5, 5), "HTTPAdapter")
        assert credentials.webhook_secrets("acme") == [b"one", b"two"]
        assert isinstance(get_client("acme"), Craftkit)

    def test_stands_behind_one_of_the_settings(self, store):
        store.entries["default"] = {"API_KEY": "ck_live_of_the_store"}
        assert credentials.project("default").api_key == "ck_test_sandbox"
        assert credentials.has_project("default")
        assert store.asked == []
        assert list(credentials.project_aliases()) == ["default"]

    def test_is_listed_after_those_of_the_settings(self, store):
        store.entries |= {"acme": {}, "bolt": {}}
        aliases = credentials.project_aliases()
        assert next(aliases) == "default"
        assert store.listed == []
        assert list(aliases) == ["acme", "bolt"]

    def test_is_unknown_where_it_knows_none(self, store):
        assert not credentials.has_project("nobody")
        with pytest.raises(conf.UnknownProject, match=r"'nobody'"):
            get_client("nobody")

    @pytest.mark.parametrize("alias", ["", "a/b", "é", "x" * 65, None])
    def test_is_not_asked_for_by_what_can_be_no_alias(self, store, alias):
        assert not credentials.has_project(alias)
        assert store.asked == []

    @pytest.mark.parametrize(
        ("entry", "named"),
        [
            ("ck_live_open-sesame", "no dict"),
            ({"APIKEY": SECRET}, "'APIKEY'"),
            ({"API_KEY": SECRET, "TIMEOUT": 500}, "LEASE"),
            ({"API_KEY": SECRET, "TIMEOUT": ("1", "2")}, "timeout"),
            ({"API_KEY": SECRET, "ADAPTER": "no.such.module"}, "ADAPTER"),
            ({"API_KEY": SECRET, "BASE_URL": "ftp://craftkit.dev"}, "base_url"),
            ({"API_KEY": "", "WEBHOOK_SECRETS": [SECRET]}, "API_KEY"),
            ({"API_KEY": SECRET.encode()}, "API_KEY"),
            ({"API_KEY": Secret(SECRET)}, "API_KEY"),
        ],
        ids=str,
    )
    def test_that_is_wrong_says_so_without_its_secrets(self, store, entry, named):
        store.entries["acme"] = entry
        with pytest.raises(ImproperlyConfigured, match=named) as raised:
            get_client("acme")
        frames = [frame for frame, _ in traceback.walk_tb(raised.tb)][1:]
        shown = "".join(repr(value) for frame in frames for value in frame.f_locals.values())
        assert SECRET not in shown + str(raised.value)
        assert PATH in str(raised.value)


class TestTheResolver:
    def test_is_asked_once_a_minute(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1", "WEBHOOK_SECRETS": ["w"]}
        for _ in range(100):
            get_client("acme")
            credentials.webhook_secrets("acme")
            assert credentials.has_project("acme")
        assert store.questions("acme") == 1
        store.entries["acme"] = {"API_KEY": "ck_2"}
        clock.now += 59
        assert credentials.project("acme").api_key == "ck_1"
        clock.now += 1
        assert credentials.project("acme").api_key == "ck_2"

    def test_is_asked_for_a_project_that_there_was_not_a_moment_ago(self, store, clock):
        assert not credentials.has_project("acme")
        store.entries["acme"] = {"API_KEY": "ck_1"}
        assert not credentials.has_project("acme")
        assert store.questions("acme") == 1
        clock.now += 2
        assert credentials.has_project("acme")

    @pytest.mark.parametrize("alias", ["acme", None])
    def test_is_asked_anew_for_what_was_forgotten(self, store, alias):
        store.entries |= {"acme": {"API_KEY": "ck_1"}, "bolt": {"API_KEY": "ck_1"}}
        for one in store.entries:
            get_client(one)
        forget(alias)
        for one in store.entries:
            get_client(one)
        assert store.questions("acme") == 2
        assert store.questions("bolt") == (1 if alias else 2)

    def test_that_answers_while_it_is_forgotten_is_asked_again(self, store):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        store.before = lambda: store.questions("acme") == 1 and forget("acme")
        assert credentials.has_project("acme")
        store.entries["acme"] = {"API_KEY": "ck_2"}
        assert credentials.project("acme").api_key == "ck_2"

    def test_holds_by_what_it_said_while_it_fails(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        store.before = failing(ConnectionError())
        clock.now += 60
        for _ in range(100):
            assert credentials.project("acme").api_key == "ck_1"
        assert store.questions("acme") == 2
        store.entries.clear()
        store.before = bool
        clock.now += 5
        assert not credentials.has_project("acme")

    def test_is_asked_once_for_many_calls_that_are_refused(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        # Both began after that; the second is refused when the resolver was asked for the first.
        calls = [refused("ck_1", clock.now + 1), refused("ck_1", clock.now + 2)]
        clock.now += 3
        assert not is_replaced("acme", calls[0])
        assert not is_replaced("acme", calls[1])
        assert store.questions("acme") == 2
        store.entries["acme"] = {"API_KEY": "ck_2"}
        clock.now += 1
        assert is_replaced("acme", refused("ck_1", clock.now))
        assert is_replaced("acme", calls[1])
        assert store.questions("acme") == 3
        assert not is_replaced("nobody", calls[1])
        assert not is_replaced("acme", AuthenticationError())

    def test_is_asked_once_a_second_in_vain_for_a_key_that_is_refused(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        for _ in range(30):
            clock.now += 0.1
            assert not is_replaced("acme", refused("ck_1", clock.now))
        assert store.questions("acme") - 1 == 3
        for key in ("ck_2", "ck_3"):
            clock.now += 0.6
            refusal = refused(credentials.project("acme").api_key, clock.now)
            store.entries["acme"] = {"API_KEY": key}
            assert is_replaced("acme", refusal)

    def test_is_not_asked_for_a_session_that_is_over(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        error = refused("ck_1", clock.now)
        error.code = "refresh_failed"
        assert not is_replaced("acme", error)
        assert store.questions("acme") == 1

    def test_holds_by_what_it_said_where_craftkit_refused_the_key_and_it_fails(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        store.before = failing(ConnectionError())
        assert not is_replaced("acme", refused("ck_1", clock.now))
        assert store.questions("acme") == 2
        assert credentials.project("acme").api_key == "ck_1"

    def test_that_can_not_tell_of_a_new_project_says_nothing_of_its_secrets(
        self, store, clock, caplog
    ):
        store.before = failing(ConnectionError(f"vault:{SECRET}@host refused"))
        for _ in range(10):
            with pytest.raises(ProjectUnavailable, match="ConnectionError") as raised:
                get_client("acme")
        frames = traceback.format_exception(raised.value)
        assert SECRET not in "".join(frames) + caplog.text
        assert raised.value.__context__ is None
        assert store.questions("acme") == 1
        assert credentials.has_project("acme"), "nobody knows that there is none"
        clock.now += 5
        store.before, store.entries["acme"] = bool, {"API_KEY": "ck_1"}
        get_client("acme")

    def test_that_is_slow_and_fails_is_not_asked_for_others_meanwhile(self, store, clock, caplog):
        def hang() -> None:
            clock.now += 5
            raise TimeoutError

        store.before = hang
        for number in range(100):
            with pytest.raises(ProjectUnavailable):
                get_client(f"tenant-{number}")
        assert len(store.asked) == 1
        assert "5.0 s" in caplog.text
        clock.now += 5
        store.before, store.entries["tenant-7"] = bool, {"API_KEY": "ck_1"}
        get_client("tenant-7")

    def test_that_was_down_is_asked_as_soon_as_that_is_over(self, store, clock):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")

        def hang() -> None:
            clock.now += 1.2
            raise TimeoutError

        clock.now += 60
        store.before = hang
        with pytest.raises(ProjectUnavailable, match="TimeoutError"):
            get_client("bolt")
        clock.now += 4.9
        assert credentials.project("acme").api_key == "ck_1"
        with pytest.raises(ProjectUnavailable, match="it is down"):
            get_client("core")
        assert store.questions("acme") == 1
        clock.now += 0.1
        store.before = bool
        store.entries |= {"acme": {"API_KEY": "ck_2"}, "core": {"API_KEY": "ck_1"}}
        assert credentials.project("acme").api_key == "ck_2"
        get_client("core")

    def test_that_is_down_is_logged_once_a_minute_for_each_failure(self, store, clock, caplog):
        for error in (ConnectionError(), ConnectionError(), TimeoutError()):
            store.before = failing(error)
            for number in range(10):
                assert credentials.has_project(f"{type(error).__name__}-{number}-{clock.now:.0f}")
            clock.now += 30
        assert [record.args[2] for record in caplog.records] == ["ConnectionError", "TimeoutError"]
        store.before = failing(ConnectionError())
        credentials.has_project("acme")
        assert len(caplog.records) == 3

    def test_that_fails_for_one_project_answers_for_others(self, store):
        store.before = failing(ValueError())
        with pytest.raises(ProjectUnavailable):
            get_client("broken")
        store.before, store.entries["acme"] = bool, {"API_KEY": "ck_1"}
        get_client("acme")

    def test_lets_the_end_of_its_worker_through(self, store):
        store.before = failing(SoftTimeLimitExceeded())
        with pytest.raises(SoftTimeLimitExceeded):
            get_client("acme")

    def test_that_queries_in_an_event_loop_is_no_outage(self, store):
        store.before = failing(SynchronousOnlyOperation())
        for act in (lambda: get_client("acme"), lambda: list(credentials.project_aliases())):
            with pytest.raises(SynchronousOnlyOperation):
                act()
        store.before, store.entries["acme"] = bool, {"API_KEY": "ck_1"}
        get_client("acme")

    @pytest.mark.django_db(transaction=True)
    def test_hides_no_error_that_breaks_somebodys_transaction(self, store):
        def query() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM no_such_table")

        store.before = query
        with pytest.raises(ProjectUnavailable):
            credentials.project("acme")
        forget()
        with pytest.raises(DatabaseError), transaction.atomic():
            credentials.project("acme")

    @pytest.mark.django_db
    def test_that_is_down_refuses_no_request(self, store):
        store.before = failing(ConnectionError())
        assert Render.objects.request("invoice", {}, project="acme").status == "pending"
        store.before = bool
        with pytest.raises(conf.UnknownProject):
            Render.objects.request("invoice", {}, project="nobody")

    @pytest.mark.parametrize(
        "path", ["no.such.Module", "tests.resolvers.PATH", "tests.resolvers.NoList"]
    )
    def test_that_can_not_be_used_is_an_error_in_words(self, path):
        with (
            override_settings(CRAFTKIT={"PROJECT_RESOLVER": path}),
            pytest.raises(ImproperlyConfigured, match="PROJECT_RESOLVER"),
        ):
            get_client("acme")

    def test_that_can_not_be_made_yet_is_tried_again(self, caplog):
        with override_settings(CRAFTKIT={"PROJECT_RESOLVER": "tests.resolvers.Refuses"}):
            with pytest.raises(ProjectUnavailable, match="ConnectionError"):
                get_client("acme")
            with pytest.raises(ProjectUnavailable, match="ConnectionError"):
                list(credentials.project_aliases())
        assert "s3cret" not in caplog.text

    @pytest.mark.parametrize(
        ("raised", "expected"),
        [
            ("ConnectionError", ProjectUnavailable),
            ("ImproperlyConfigured", ProjectUnavailable),
            ("ImportError", ImproperlyConfigured),
        ],
    )
    def test_whose_module_can_not_be_imported_says_why_to_checks_alone(
        self, tmp_path, monkeypatch, caplog, raised, expected
    ):
        monkeypatch.syspath_prepend(tmp_path)
        code = "from django.core.exceptions import *\nraise {}('vault:s3cret@host')"
        (tmp_path / "vault_at_import.py").write_text(code.format(raised))
        path = "vault_at_import.Store"
        with override_settings(CRAFTKIT={"PROJECT_RESOLVER": path}):
            for act in (lambda: get_client("acme"), lambda: list(credentials.project_aliases())):
                with pytest.raises(expected, match=raised) as error:
                    act()
                assert "s3cret" not in "".join(traceback.format_exception(error.value))
        assert "s3cret" not in caplog.text
        assert "s3cret" in resolver.refusal(path)

    def test_goes_with_the_settings_that_name_it(self, store, settings):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        with override_settings(CRAFTKIT={}), pytest.raises(conf.UnknownProject):
            get_client("acme")
        get_client("acme")
        assert store.questions("acme") == 2

    def test_is_asked_for_each_tenant(self, store, monkeypatch):
        name = "north"
        monkeypatch.setattr(tenants, "current", lambda: name)
        store.entries["acme"] = {"API_KEY": "ck_north"}
        assert credentials.project("acme").api_key == "ck_north"
        name, store.entries["acme"] = "south", {"API_KEY": "ck_south"}
        assert credentials.project("acme").api_key == "ck_south"
        name = "north"
        assert credentials.project("acme").api_key == "ck_north"

    def test_that_is_down_for_one_tenant_is_asked_for_others(self, store, monkeypatch, clock):
        name = "north"
        monkeypatch.setattr(tenants, "current", lambda: name)

        def hang() -> None:
            clock.now += 2
            raise TimeoutError

        store.before = hang
        with pytest.raises(ProjectUnavailable):
            get_client("acme")
        name, store.before, store.entries["acme"] = "south", bool, {"API_KEY": "ck_south"}
        get_client("acme")


class Held:
    """Holds up the first question to the store, after it has looked, and raises an error if any."""

    def __init__(self, store, error: Exception | None = None) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        get, self._error = store.get, error

        def held(this: object, alias: str) -> object:
            found = get(this, alias)
            if not self.begun.is_set():
                self.begun.set()
                assert self.over.wait(30)
                if self._error is not None:
                    raise self._error
            return found

        self.get = held


@pytest.fixture
def hold(store, monkeypatch):
    """Have a question held up that another thread asks; return how to let it go on."""
    under_way, threads = [], ThreadPoolExecutor()

    def hold(error: Exception | None = None) -> Callable[[], str]:
        held = Held(store, error)
        monkeypatch.setattr(store, "get", held.get)
        other = threads.submit(lambda: credentials.project("acme").api_key)
        assert held.begun.wait(30)
        under_way.append(held)

        def let() -> str:
            held.over.set()
            return other.result(30)

        return let

    yield hold
    for held in under_way:
        held.over.set()
    threads.shutdown()


class TestManyThreads:
    def test_ask_one_question_of_one_instance(self, store, monkeypatch):
        made, alive = [], threading.Barrier(30)
        monkeypatch.setattr(store, "__init__", lambda self: made.append(self) or time.sleep(0.02))
        store.before = lambda: time.sleep(0.02)
        store.entries["acme"] = {"API_KEY": "ck_1"}

        def ask() -> str:
            alive.wait(30)
            return credentials.project("acme").api_key

        with ThreadPoolExecutor(30) as threads:
            answers = [threads.submit(ask) for _ in range(30)]
        assert {answer.result() for answer in answers} == {"ck_1"}
        assert (store.questions("acme"), len(made)) == (1, 1)

    def test_go_on_with_what_is_kept_while_one_asks(self, store, hold, monkeypatch):
        monkeypatch.setattr(credentials, "KEPT", 0.0)
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        let = hold()
        asked = store.questions("acme")
        for _ in range(10):
            assert credentials.project("acme").api_key == "ck_1"
        assert store.questions("acme") == asked
        assert let() == "ck_1"

    def test_wait_for_the_first_answer_for_a_while_only(self, store, hold, monkeypatch):
        monkeypatch.setattr(resolver, "PATIENCE", 0.01)
        store.entries["acme"] = {"API_KEY": "ck_1"}
        let = hold()
        with pytest.raises(ProjectUnavailable, match="long in answering"):
            get_client("acme")
        with pytest.raises(ProjectUnavailable, match="it is down"):
            get_client("bolt")
        assert let() == "ck_1"
        get_client("acme")
        assert len(store.asked) == 1

    @pytest.mark.parametrize("error", [None, ConnectionError()], ids=repr)
    @pytest.mark.parametrize("way", ["refused", "forgotten"])
    def test_are_not_told_anything_older_than_what_they_have(self, store, hold, error, way):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        credentials.renew("acme", time.monotonic())
        let = hold(error)
        store.entries["acme"] = {"API_KEY": "ck_2"}
        if way == "refused":
            credentials.renew("acme", time.monotonic())
        else:
            forget("acme")
        assert credentials.project("acme").api_key == "ck_2"
        assert let() == "ck_2"
        assert credentials.project("acme").api_key == "ck_2"
        assert store.questions("acme") == 3

    def test_wait_for_the_new_key_that_another_asks_for(self, store, hold):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        refusal = refused("ck_1", time.monotonic())
        credentials.renew("acme", refusal.called_at)
        store.entries["acme"] = {"API_KEY": "ck_2"}
        let = hold()
        with ThreadPoolExecutor() as threads:
            other = threads.submit(is_replaced, "acme", refusal)
            with pytest.raises(TimeoutError):
                other.result(0.05)
            let()
            assert other.result(30)
        assert store.questions("acme") == 2

    def test_do_not_rely_on_an_answer_from_before_the_key_was_refused(self, store, hold):
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        credentials.renew("acme", time.monotonic())
        let = hold()
        store.entries["acme"] = {"API_KEY": "ck_2"}
        credentials.renew("acme", time.monotonic())
        let()
        assert credentials.project("acme").api_key == "ck_2"


class TestWhatIsKept:
    def test_is_bounded(self, store, monkeypatch):
        monkeypatch.setattr(credentials, "MOST", 3)
        store.entries |= {f"tenant-{number}": {"API_KEY": "ck_1"} for number in range(5)}
        for alias in store.entries:
            get_client(alias)
        for alias in reversed(store.entries):
            get_client(alias)
        assert [store.questions(f"tenant-{number}") for number in range(5)] == [2, 2, 1, 1, 1]

    def test_is_not_driven_out_by_what_strangers_ask_for(self, store, monkeypatch):
        monkeypatch.setattr(credentials, "MOST_MISSING", 2)
        store.entries["acme"] = {"API_KEY": "ck_1"}
        get_client("acme")
        for number in range(10):
            assert not credentials.has_project(f"stranger-{number}")
        get_client("acme")
        assert store.questions("acme") == 1
        assert len(credentials._cache._others) == 2
