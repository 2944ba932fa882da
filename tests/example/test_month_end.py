"""A month's charters, rendered in one go from the command line."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from charter.management.commands import month_end
from charter.models import Booking
from django_craftkit.models import Batch, Render

TEMPLATES = Path(__file__).parents[2] / "example_project" / "templates.json"


@pytest.fixture
def working(craftkit, monkeypatch):
    """Craftkit with the agency's templates; a worker has its turn while the command waits."""
    for template in json.loads(TEMPLATES.read_text()):
        craftkit.put_template(template["slug"], template["manifest"])
    monkeypatch.setattr(month_end.time, "sleep", lambda seconds: craftkit.run())
    return craftkit


@pytest.fixture
def charters(booking):
    """Three charters of May 2031, an option of that month, and a charter of June."""
    others = [("AEG-2032", 5, "confirmed"), ("AEG-2033", 5, "confirmed")]
    others += [("AEG-2034", 5, "option"), ("AEG-2035", 6, "confirmed")]
    for code, month, status in others:
        booking.pk, booking.code, booking.status = None, code, status
        booking.token = code
        booking.starts_on = booking.starts_on.replace(month=month)
        booking.ends_on = booking.ends_on.replace(month=month)
        booking.save()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("month_end", "2031-05", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def books():
    return Render.objects.filter(key__startswith="books-")


def test_makes_one_document_for_each_charter_of_the_month(working, charters):
    out = run()
    assert "3 new, 0 there already" in out
    assert "3 of 3" in out
    assert "3 are ready" in out
    assert set(books().values_list("source_id", flat=True)) == {
        str(pk) for pk in Booking.objects.filter(code__lt="AEG-2034").values_list("pk", flat=True)
    }
    assert {render["key"] for render in books().values("key")} == {
        "books-AEG-2031",
        "books-AEG-2032",
        "books-AEG-2033",
    }
    assert Batch.objects.get().name == "Charters of 2031-05"


def test_run_again_makes_none_twice(working, charters):
    run()
    assert "0 new, 3 there already" in run()
    assert books().count() == 3


def test_ends_with_an_error_where_some_have_failed(working, charters):
    run()
    books().filter(key="books-AEG-2032").update(status="failed")
    with pytest.raises(CommandError, match="1 have failed"):
        run()
    assert "1 are tried again" in run("--retry")
    assert set(books().values_list("status", flat=True)) == {"succeeded"}


def test_ends_when_time_is_up(craftkit, charters):
    with pytest.raises(CommandError, match="not ready yet"):
        run("--timeout", "0")
    assert books().count() == 3


def test_a_month_without_charters_is_done_at_once(working, booking):
    Booking.objects.all().delete()
    assert "0 of 0" in run()


def test_wants_a_month(booking):
    with pytest.raises(CommandError):
        call_command("month_end", "2031-13", stdout=StringIO())
