"""The public pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse
from django.utils import translation

from charter.models import Boat, Booking

TEMPLATES = Path(__file__).parents[2] / "example_project" / "charter" / "templates"


def test_home_shows_the_fleet(client, booking):
    page = client.get("/")
    assert page.status_code == 200
    assert booking.boat.get_absolute_url() in page.text


def test_home_without_boats(client, db):
    assert client.get("/").status_code == 200


def test_a_boat_shows_when_it_is_taken_and_by_nobody(client, booking):
    page = client.get(booking.boat.get_absolute_url())
    assert "3 May – 10 May 2031" in page.text
    assert booking.guest.name not in page.text
    assert booking.token not in page.text


def test_a_cancelled_booking_takes_no_boat(client, booking):
    Booking.objects.update(status=Booking.Status.CANCELLED)
    assert "10 May 2031" not in client.get(booking.boat.get_absolute_url()).text


@pytest.mark.parametrize("kind", Boat.Kind.values)
def test_every_kind_of_boat_is_drawn(kind):
    assert finders.find(Boat(kind=kind).picture)


def test_a_guest_reads_the_booking(client, booking):
    page = client.get(booking.get_absolute_url())
    assert page.status_code == 200
    for text in (booking.code, booking.guest.name, booking.skipper, "Slow leak", "data-waiting"):
        assert text in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_a_code_is_no_token(client, booking):
    assert client.get(reverse("charter:booking", args=[booking.code])).status_code == 404
    assert len(booking.token) >= 22


def test_pages_answer_in_other_languages(client, booking):
    with translation.override("el"):
        assert client.get("/", headers={"Accept-Language": "el"}).status_code == 200


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_the_policy_of_the_site_holds(path):
    """``default-src 'self'`` blocks what is written into a page."""
    html = path.read_text()
    assert "<style" not in html
    assert " style=" not in html
    assert "<script>" not in html
    assert " onclick=" not in html
