"""What the pages say of languages, moments, audit packages and the worker's end is so."""

from __future__ import annotations

import signal
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db.models.signals import post_save
from django.db.utils import ProgrammingError
from django.dispatch import Signal
from django.test import override_settings
from django.utils import translation
from django.utils.translation import gettext_lazy

from django_craftkit.events import render_on
from django_craftkit.models import Render
from django_craftkit.reconcile.loop import Loop
from tests.shop.models import Order

if TYPE_CHECKING:
    from django_craftkit.testing import Kit

#: A text that Django itself has in German.
MONDAY = gettext_lazy("Monday")


@pytest.mark.parametrize(("snapshot", "told"), [(False, "Monday"), (True, "Montag")])
@override_settings(LANGUAGE_CODE="en")
def test_a_text_comes_in_the_language_of_where_it_is_built(
    craftkit: Kit, order: Order, quiet: None, snapshot: bool, told: str
):
    event = Signal()
    options = {"template": "invoice", "key": str, "name": "told", "snapshot": snapshot}
    render_on(event, **options)(lambda order, **kwargs: {"day": MONDAY})
    with translation.override("de"):
        event.send(Order, instance=order)
    with translation.override(None):
        craftkit.run()
    assert craftkit.renders[0].data == {"day": told}


def test_data_that_are_given_are_in_the_language_of_who_gives_them(craftkit: Kit, db: None):
    with translation.override("de"):
        Render.objects.request("invoice", {"day": MONDAY})
    craftkit.run()
    assert craftkit.renders[0].data == {"day": "Montag"}


def test_a_moment_is_of_the_day_that_it_is_here(craftkit: Kit, db: None):
    moment = datetime(2026, 5, 1, 0, 30, tzinfo=ZoneInfo("Europe/Athens"))
    Render.objects.request("invoice", {"at": moment})
    craftkit.run()
    assert craftkit.renders[0].data == {"at": "2026-05-01T00:30:00.000+03:00"}


def test_who_listens_to_post_save_sees_no_document(craftkit: Kit, db: None):
    seen: list[object] = []

    def listen(sender: type, **kwargs: object) -> None:
        seen.append(sender)

    post_save.connect(listen)
    try:
        Render.objects.request("invoice", {})
        craftkit.run()
    finally:
        post_save.disconnect(listen)
    assert Render.objects.get().status == "succeeded"
    assert Render not in seen


def test_a_worker_ends_with_what_waiting_does_not_mend(monkeypatch: pytest.MonkeyPatch):
    def sweep(loop: Loop) -> int:
        raise ProgrammingError("there is no such table")

    monkeypatch.setattr(Loop, "sweep", sweep)
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    with pytest.raises(ProgrammingError):
        call_command("craftkit_work")
