"""What staff do on a booking's page in a browser without JavaScript, and who may do what."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from charter.management.commands.seed import Command
from charter.models import Booking
from django_craftkit.models import Render, Share
from django_craftkit.permissions import allows

FORM = 'class="make"'
BUTTON = 'class="revoke"'


@pytest.fixture
def nikos(db, client) -> User:
    """The colleague on the quay, as the seed has made him."""
    Command().quay()
    user = User.objects.get(username="nikos")
    client.force_login(user)
    return user


@pytest.fixture
def protocol(craftkit, booking, nikos) -> Render:
    """One that is ready, with the guest's link and mail."""
    booking.sign_off(nikos)
    craftkit.run()
    return Render.objects.for_object(booking).get(template="charter-handover")


def take_away(user, codename):
    user.user_permissions.remove(Permission.objects.get(codename=codename))


def page_of(client, booking):
    page = client.get(booking.get_absolute_url())
    assert page.status_code == 200
    return page.text


def fill(client, booking, **values):
    """Return the form as it is shown, filled in."""
    (key,) = re.findall(r'name="key" value="([^"]+)"', page_of(client, booking))
    return {"key": key, "recipient_email": "", "message": "", **values}


def send(client, booking, form):
    return client.post(reverse("charter:share", args=[booking.token]), form)


def links(protocol):
    """Return the links that people have made."""
    return Share.objects.filter(render=protocol, by_mail=False).exclude(key="guest")


def press_revoke(client, booking, link):
    return client.post(reverse("charter:revoke", args=[booking.token, link.pk]))


def test_a_guest_sees_nothing_of_it(client, booking, protocol):
    client.logout()
    page = page_of(client, booking)
    assert 'id="desk"' not in page
    assert "desk.js" not in page


def test_a_link_is_made_shown_and_revoked(client, craftkit, booking, protocol):
    form = fill(client, booking, recipient_email="insurer@example.com", message="As we said.")
    assert send(client, booking, form).headers["Location"] == booking.get_absolute_url()
    link = links(protocol).get()
    assert (link.recipient_email, link.message) == ("insurer@example.com", "As we said.")
    assert link.requested_by.username == "nikos"
    craftkit.run()
    link.refresh_from_db()
    page = page_of(client, booking)
    assert link.url in page
    assert page.count("craftkit-badge--active") == 3

    assert press_revoke(client, booking, link).status_code == 302
    assert "being revoked" in page_of(client, booking)
    craftkit.run()
    page = page_of(client, booking)
    assert link.url not in page
    assert page.count("craftkit-badge--active") == 2
    assert "craftkit-badge--revoked" in page


def test_the_mail_is_among_the_links_and_can_be_taken_back(client, craftkit, booking, protocol):
    mail = protocol.shares.get(by_mail=True)
    assert page_of(client, booking).count("by e-mail</span>") == 1
    assert mail.url in page_of(client, booking)
    assert press_revoke(client, booking, mail).status_code == 302
    craftkit.run()
    assert mail.url not in page_of(client, booking)


def test_a_form_that_is_sent_twice_makes_one_link(client, booking, protocol):
    form = fill(client, booking, message="For the insurer")
    for _twice in range(2):
        assert send(client, booking, form).status_code == 302
    assert links(protocol).count() == 1
    send(client, booking, form | {"message": "For the harbour"})
    assert {link.message for link in links(protocol)} == {"For the insurer", "For the harbour"}


@pytest.mark.parametrize(
    ("field", "value"), [("recipient_email", "nobody"), ("message", "x" * 2001), ("key", "1")]
)
def test_what_can_not_be_sent_is_told(client, booking, protocol, field, value):
    answer = send(client, booking, fill(client, booking, **{field: value}))
    assert answer.status_code == 400
    assert answer.context["desk"]["form"].errors.keys() == {field}
    assert not links(protocol).exists()
    if field != "key":
        told = re.search(rf'id="id_{field}_error">([^<]+)', answer.text)
        assert html.unescape(told[1]) == answer.context["desk"]["form"].errors[field][0]


def test_what_is_not_ready_is_not_shared(client, booking, nikos):
    form = fill(client, booking)
    assert re.search(rf"{FORM}[^>]* hidden", page_of(client, booking))
    assert send(client, booking, form).status_code == 400
    booking.sign_off(nikos)
    assert send(client, booking, form).status_code == 400
    assert not Share.objects.exists()


def test_what_was_withdrawn_is_not_shared(client, craftkit, booking, protocol):
    form = fill(client, booking)
    protocol.withdraw()
    craftkit.run()
    assert send(client, booking, form).status_code == 400
    assert not links(protocol).exists()


@pytest.mark.parametrize(
    ("codename", "gone"),
    [
        ("view_render", 'id="desk"'),
        ("view_share", "craftkit-badge--active"),
        ("see_share_link", "http://testserver/share/"),
        ("add_share", FORM),
        ("revoke_share", BUTTON),
    ],
)
def test_each_permission_shows_its_own(client, booking, protocol, nikos, codename, gone):
    url = protocol.shares.get(key="guest").url
    gone = {"see_share_link": f">{url}</a>"}.get(codename, gone)
    assert gone in page_of(client, booking)
    take_away(nikos, codename)
    assert gone not in page_of(client, booking)


def test_each_permission_is_asked_for_on_the_server(client, booking, protocol, nikos):
    link, form = protocol.shares.get(key="guest"), fill(client, booking)
    take_away(nikos, "add_share")
    assert send(client, booking, form).status_code == 403
    take_away(nikos, "revoke_share")
    assert press_revoke(client, booking, link).status_code == 403
    client.logout()
    assert send(client, booking, form).status_code == 403
    assert press_revoke(client, booking, link).status_code == 403
    link.refresh_from_db()
    assert link.is_open
    assert not links(protocol).exists()


def test_a_link_is_revoked_on_its_own_booking_alone(client, booking, protocol):
    same = {"boat": booking.boat, "guest": booking.guest, "skipper": booking.skipper}
    days = {"starts_on": booking.starts_on, "ends_on": booking.ends_on}
    other = Booking.objects.create(code="AEG-2032", **same, **days)
    link = protocol.shares.get(key="guest")
    assert press_revoke(client, other, link).status_code == 404
    assert client.get(reverse("charter:revoke", args=[booking.token, link.pk])).status_code == 405
    link.refresh_from_db()
    assert link.is_open


def test_many_links_cost_no_query_each(client, booking, protocol, django_assert_max_num_queries):
    for number in range(5):
        protocol.share(message=str(number))
    with django_assert_max_num_queries(18):
        page = page_of(client, booking)
    assert page.count(BUTTON) == 7 + 1  # and that of the template


def test_the_seed_gives_what_the_desk_needs_and_no_more(nikos):
    assert nikos.is_staff
    assert not nikos.is_superuser
    craftkit = Permission.objects.filter(content_type__app_label="craftkit")
    may = {one.codename for one in craftkit if allows(nikos, one.codename)}
    assert may == {"view_render", "view_share", "see_share_link", "add_share", "revoke_share"}
    assert nikos.has_perm("charter.sign_off_booking")
    assert not nikos.has_perm("charter.delete_booking")
