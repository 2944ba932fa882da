"""The kit in Django's test cases: what is there, from when to when, and what is left behind."""

from __future__ import annotations

import gc
import socket
import threading
import unittest
import weakref
from typing import Any

import pytest
import requests
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.test import (
    LiveServerTestCase,
    SimpleTestCase,
    TestCase,
    TransactionTestCase,
    override_settings,
)

from django_craftkit import clock, conf, dispatch, projects
from django_craftkit.models import Job, Render
from django_craftkit.testing import CraftkitTestMixin, Kit, factories


class Base(CraftkitTestMixin):
    """A mixin of a project's own."""

    def check(self: Any) -> None:
        render = Render.objects.request("invoice", {"total": 42})
        assert self.craftkit.run()
        render.refresh_from_db()
        assert render.status == "succeeded"
        (document,) = self.craftkit.renders
        assert document.data == {"total": 42}


class AmongTheFirstBases(Base, TestCase):
    def setUp(self) -> None:
        # Without super(), as many write it.
        self.assertEqual(self.craftkit.renders, [])

    def tearDown(self) -> None:
        self.assertEqual(len(self.craftkit.renders), 1)

    def test_once(self) -> None:
        self.check()

    def test_once_more_and_nothing_is_left_of_the_first(self) -> None:
        self.check()


class AmongTheLastBases(TestCase, Base):
    def setUp(self) -> None:
        self.assertEqual(self.craftkit.renders, [])

    def test_it(self) -> None:
        self.check()


class Inherited(AmongTheLastBases):
    def run(self, result: unittest.TestResult | None = None) -> Any:
        return super().run(result)

    def test_there_is_one_kit(self) -> None:
        kit = self.craftkit
        self.check()
        self.assertIs(self.craftkit, kit)


class Committed(Base, TransactionTestCase):
    def test_what_is_committed_is_carried_out_when_it_is_told_to(self) -> None:
        with transaction.atomic():
            Render.objects.request("invoice", {})
        self.assertEqual(Job.objects.count(), 1)
        self.craftkit.run()
        self.assertEqual(len(self.craftkit.renders), 1)

    def test_it(self) -> None:
        self.check()


class OfTheClass(Base, TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.waiting = Render.objects.request("invoice", {"total": 42})
        cls.ready = factories.render_factory()

    def test_what_was_requested_for_all_tests_is_carried_out_in_each(self) -> None:
        self.craftkit.run()
        self.waiting.refresh_from_db()
        self.assertEqual((self.waiting.status, self.ready.status), ("succeeded", "succeeded"))

    def test_in_each(self) -> None:
        self.waiting.refresh_from_db()
        self.assertEqual((self.waiting.status, self.craftkit.renders), ("pending", []))
        self.craftkit.run()
        self.craftkit.assert_rendered("invoice", data={"total": 42})

    def test_callbacks_that_are_executed_wake_nobody(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            Render.objects.request("receipt", {})
        self.assertEqual(callbacks, [])
        self.assertEqual(self.craftkit.renders, [])


class Served(Base, LiveServerTestCase):
    def test_the_server_s_threads_have_the_same_craftkit(self) -> None:
        render = factories.render_factory(status="queued")
        url = f"{self.live_server_url}/craftkit/webhooks/default/"
        self.assertEqual(requests.post(url, data=b"{}", timeout=10).status_code, 401)
        ready = Render.objects.request("invoice", {})
        self.craftkit.run()
        address = self.live_server_url + ready.get_download_url(guest=True, expires=60)
        answer = requests.get(address, timeout=10)
        self.assertEqual((answer.status_code, answer.content[:5]), (200, b"%PDF-"))
        self.craftkit.pass_time(61)
        self.assertEqual(requests.get(address, timeout=10).status_code, 410)
        render.refresh_from_db()
        self.assertEqual(render.status, "queued")


class InAnEventLoop(Base, TestCase):
    async def test_it(self) -> None:
        render = await sync_to_async(Render.objects.request)("invoice", {})
        self.assertTrue(await self.craftkit.arun())
        await render.arefresh_from_db()
        self.assertEqual(render.status, "succeeded")


class SetUpFails(Base, TestCase):
    __test__ = False

    def setUp(self) -> None:
        raise ZeroDivisionError

    def test_it(self) -> None: ...


class TestFails(Base, TestCase):
    __test__ = False

    def test_it(self) -> None:
        self.craftkit.pass_time(60)
        raise ZeroDivisionError


class SubtestsFail(Base, TestCase):
    __test__ = False

    def test_it(self) -> None:
        with self.subTest(number=1):
            raise ZeroDivisionError


@override_settings(CRAFTKIT_PROJECTS={"eu": {"API_KEY": "ck_live_eu"}, "us": {}})
class Overridden(Base, TestCase):
    def test_the_kit_answers_for_the_projects_of_the_class(self) -> None:
        self.assertEqual(list(conf.projects()), ["eu", "us"])
        for alias in ("eu", "us"):
            Render.objects.request("invoice", {}, project=alias)
        with pytest.raises(conf.UnknownProject):
            Render.objects.request("invoice", {})
        self.craftkit.run()
        self.assertEqual({one.project for one in self.craftkit.renders}, {"eu", "us"})

    @override_settings(CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_live_mine"}})
    def test_and_for_those_of_a_test(self) -> None:
        self.check()
        self.assertEqual(settings.CRAFTKIT_PROJECTS["default"]["API_KEY"], "ck_live_mine")

    def test_and_for_those_of_a_part_of_one(self) -> None:
        with self.settings(CRAFTKIT_PROJECTS={"asia": {"API_KEY": "ck_live_asia"}}):
            render = Render.objects.request("invoice", {}, project="asia")
            self.craftkit.run()
            self.assertEqual(self.craftkit.renders[0].project, "asia")
            render.refresh_from_db()
            # Its project has no secret, and yet a webhook has told of it.
            self.assertEqual(render.status, "succeeded")

    def test_what_is_paused_waits(self) -> None:
        with self.settings(CRAFTKIT={"PAUSED": True}):
            Render.objects.request("invoice", {}, project="eu")
            self.craftkit.run()
            self.assertEqual(self.craftkit.sandbox.requests, [])
        self.craftkit.run()
        self.craftkit.assert_rendered("invoice")


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run a test case as Django's own runner does."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def what_stands_in() -> tuple[object, ...]:
    # What each was is told by what is set in its place.
    found = (clock.set_clock(None), projects.set_stand_in(None), dispatch.set_silent(False))
    clock.set_clock(found[0])
    projects.set_stand_in(found[1])
    dispatch.set_silent(found[2])
    return (*found, settings.CRAFTKIT_PROJECTS)


@pytest.mark.parametrize("case", [SetUpFails, TestFails, SubtestsFail])
def test_a_failure_leaves_nothing_behind(db, case):
    before = what_stands_in()
    result = run(case)
    assert [error.splitlines()[-1] for _, error in result.errors] == ["ZeroDivisionError"]
    assert what_stands_in() == before == (None, None, False, settings.CRAFTKIT_PROJECTS)
    for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
        assert not hasattr(test, "craftkit")


def test_a_test_is_debugged_with_it(db):
    AmongTheLastBases("test_it").debug()


@pytest.mark.parametrize("base", [SimpleTestCase, unittest.TestCase])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_test_case_without_a_database_is_refused(base, is_first):
    bases = (CraftkitTestMixin, base) if is_first else (base, CraftkitTestMixin)
    with pytest.raises(
        TypeError, match=r"Orders: CraftkitTestMixin needs .* django\.test\.TestCase"
    ):
        type("Orders", bases, {})


def test_one_kit_in_another(craftkit):
    Render.objects.request("invoice", {})
    with Kit() as inner:
        inner.pass_time(86_400)
        inner.run()
        assert len(inner.renders) == 1
    assert craftkit.renders == []
    Render.objects.request("receipt", {})
    craftkit.run()
    assert [one.template for one in craftkit.renders] == ["receipt"]


def test_a_craftkit_goes_with_its_test(db):
    with Kit() as kit:
        Render.objects.request("invoice", {})
        kit.run()
        sandbox = weakref.ref(kit.sandbox)
    del kit
    gc.collect()
    assert sandbox() is None


@pytest.mark.django_db(transaction=True)
def test_no_socket_is_opened_and_no_broker_is_needed(craftkit, monkeypatch):
    opened: list[object] = []
    threads = threading.active_count()
    # Those of PostgreSQL and MariaDB are not Python's.
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, lambda *_, name=name: opened.append(name))
    render = Render.objects.request("invoice", {})
    share = render.email("ada@example.com")
    craftkit.run()
    assert craftkit.open(share).status_code == 200
    assert craftkit.renders[0].pdf().startswith(b"%PDF-")
    render.refresh_from_db()
    with render.open() as file:
        assert file.read(5) == b"%PDF-"
    assert (opened, threading.active_count()) == ([], threads)
