"""The crew list of a booking: a form that the guest fills in, or staff with the guest."""

from __future__ import annotations

import re

import pytest

from charter.craftkit import CREW_LIST, crew
from charter.models import Booking
from django_craftkit.data import check
from django_craftkit.models import EmbedSession, Render
from tests.example.conftest import templates
from tests.helpers import grant


@pytest.fixture
def confirmed(craftkit, booking):
    craftkit.put_template(CREW_LIST, templates()[CREW_LIST]["manifest"])
    Booking.objects.update(status=Booking.Status.CONFIRMED)
    booking.refresh_from_db()
    return booking


def link(client, booking: Booking) -> str:
    page = client.get(booking.get_absolute_url()).text
    found: list[str] = re.findall(r'href="(/craftkit/forms/[^"]+)"', page)
    return found[0] if found else ""


def test_a_guest_opens_the_form_from_the_page_of_the_booking(client, confirmed, craftkit):
    url = link(client, confirmed)
    assert client.get(url).status_code == 200
    assert client.post(url).status_code == 200
    (session,) = craftkit.sandbox.embed_sessions
    assert session.new.form.prefill == crew(confirmed)
    assert EmbedSession.objects.get().source == confirmed


def test_the_form_knows_nothing_that_its_template_has_no_field_for(booking):
    findings = check(crew(booking), templates()[CREW_LIST]["manifest"])
    assert findings == []


DATA = {
    "skipper": "Jo <Doe>",
    "arrival": "By the noon ferry",
    "crew": [{"name": "Jo Doe", "born": "1990-04-01"}, {"name": "Kai Doe"}],
}


def submit(client, booking: Booking, craftkit, **more: object) -> None:
    client.post(link(client, booking))
    craftkit.sandbox.submit_form(str(EmbedSession.objects.latest("pk").remote_id), DATA | more)
    craftkit.run()


def test_what_was_submitted_last_is_on_the_page_of_the_booking(client, confirmed, craftkit):
    submit(client, confirmed, craftkit, wishes="No salt")
    submit(client, confirmed, craftkit)
    page = client.get(confirmed.get_absolute_url()).text
    assert "Jo &lt;Doe&gt;" in page
    assert "By the noon ferry" in page
    assert re.findall(r'<th scope="row">(\w+ Doe)</th>', page) == ["Jo Doe", "Kai Doe"]
    assert "No salt" not in page
    assert link(client, confirmed)


def test_when_people_are_born_is_for_staff(client, confirmed, craftkit, django_user_model):
    submit(client, confirmed, craftkit)
    assert "1990-04-01" not in client.get(confirmed.get_absolute_url()).text
    user = django_user_model.objects.create_user("nikos")
    grant(user, "view_booking", app="charter")
    client.force_login(user)
    assert "1990-04-01" in client.get(confirmed.get_absolute_url()).text


def test_what_was_submitted_stays_when_the_form_is_over(client, confirmed, craftkit):
    submit(client, confirmed, craftkit)
    Booking.objects.update(status=Booking.Status.CANCELLED)
    assert "By the noon ferry" in client.get(confirmed.get_absolute_url()).text
    assert link(client, confirmed) == ""


def test_nothing_is_left_of_it_on_the_page_once_it_was_erased(client, confirmed, craftkit):
    submit(client, confirmed, craftkit)
    Render.objects.none().erase(objects=[confirmed])
    page = client.get(confirmed.get_absolute_url()).text
    assert "Doe" not in page
    assert "who sails" in page


@pytest.mark.parametrize("status", [Booking.Status.OPTION, Booking.Status.CANCELLED])
def test_there_is_none_for_a_booking_that_does_not_sail(client, booking, status):
    Booking.objects.update(status=status)
    assert link(client, booking) == ""


def test_staff_fill_it_in_who_may_change_bookings(client, confirmed, craftkit, django_user_model):
    url = f"{confirmed.get_absolute_url()}crew/"
    user = django_user_model.objects.create_user("nikos")
    client.force_login(user)
    assert client.get(url).status_code == 403
    grant(user, "change_booking", app="charter")
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert EmbedSession.objects.get().created_by == user


def test_it_is_told_in_words_that_craftkit_is_down(client, confirmed, craftkit, django_user_model):
    user = django_user_model.objects.create_superuser("boss")
    client.force_login(user)
    craftkit.sandbox.faults.add("status", path="/v1/embed/sessions", status=503, times=None)
    assert client.get(f"{confirmed.get_absolute_url()}crew/").status_code == 503
