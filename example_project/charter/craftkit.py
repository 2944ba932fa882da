"""The agency's documents. Craftkit's app finds this module by itself, as Django finds admin.py."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from charter.models import Booking
from django_craftkit.events import render_on
from django_craftkit.mailing import Mail
from django_craftkit.models import Render
from django_craftkit.signals import render_succeeded
from django_craftkit.signing import AnchorTag, Envelope, Recipient

AGREEMENT = "charter-agreement"
HANDOVER = "charter-handover"
CREW_LIST = "crew-list"  # a form
DAY = "j F Y"
# They stand in the PDF where somebody is to sign.
GUEST_SIGNS, SKIPPER_SIGNS = "[[guest signs here]]", "[[skipper signs here]]"


def signers(booking: Booking) -> Envelope:
    """Who signs the agreement: the guest, and the skipper if that is somebody else."""
    people = [recipient(booking.guest.name, booking.guest.email)]
    places = [AnchorTag(GUEST_SIGNS, "signature", recipient=0)]
    if has_skipper_of_its_own(booking):
        people.append(recipient(booking.skipper, booking.skipper_email))
        places.append(AnchorTag(SKIPPER_SIGNS, "signature", recipient=1))
    return Envelope(people, anchor_tags=places, name=f"{_('Charter agreement')} {booking.code}")


def has_skipper_of_its_own(booking: Booking) -> bool:
    address = booking.skipper_email.casefold()
    return bool(address) and address != booking.guest.email.casefold()


def stay(booking: Booking) -> dict[str, Any]:
    """What each document says of the booking itself."""
    return {
        "code": booking.code,
        "startsOn": date_format(booking.starts_on, DAY),
        "endsOn": date_format(booking.ends_on, DAY),
        "skipper": booking.skipper,
    }


def crew(booking: Booking) -> dict[str, Any]:
    """What the form of the crew list knows before anybody has filled it in."""
    return {"booking": {"code": booking.code}, "skipper": booking.skipper}


def mail_to_guest(booking: Booking) -> Mail:
    """The mail with the protocol, which Craftkit sends once, as soon as it is ready."""
    return Mail(
        booking.guest.email,
        recipient_name=booking.guest.name,
        message=_("The handover protocol of %s is here. Fair winds!") % booking.boat.name,
    )


def recipient(name: str, email: str) -> Recipient:
    first_name, _space, last_name = name[:100].partition(" ")
    return Recipient(first_name, last_name, email)


@render_on(
    post_save,
    sender=Booking,
    template=AGREEMENT,
    when=lambda booking: booking.status == Booking.Status.CONFIRMED and not booking.signed_off_at,
    key=lambda booking: f"charter-{booking.code}",
    sign_with=signers,
)
def agreement(booking: Booking, **kwargs: Any) -> dict[str, Any]:
    """The data of the agreement that guest and skipper sign once the booking is confirmed."""
    return {
        "booking": stay(booking),
        "boat": {
            "name": booking.boat.name,
            "model": booking.boat.model,
            "homePort": booking.boat.home_port,
        },
        "guest": {"name": booking.guest.name},
        "signatures": {
            "guest": GUEST_SIGNS,
            "skipper": SKIPPER_SIGNS if has_skipper_of_its_own(booking) else "",
        },
    }


@render_on(
    post_save,
    sender=Booking,
    template=HANDOVER,
    when=lambda booking: booking.signed_off_at is not None,
    key=lambda booking: f"handover-{booking.code}",
    email_to=mail_to_guest,
)
def handover(booking: Booking, **kwargs: Any) -> dict[str, Any]:
    """The data of the protocol, built in the worker from what the sign-off has committed."""
    return {
        "booking": stay(booking),
        "boat": {
            "name": booking.boat.name,
            "model": booking.boat.model,
            "engineHours": booking.engine_hours,
            "fuel": booking.fuel,
        },
        "guest": {"name": booking.guest.name},
        "signedOff": {
            "by": booking.signed_off_by.get_full_name() or booking.signed_off_by.get_username(),
            "at": date_format(timezone.localtime(booking.signed_off_at), f"{DAY}, H:i"),
        },
        "notes": booking.notes,
        "areas": [
            {
                "area": area.get_area_display(),
                "condition": area.get_condition_display(),
                "remark": area.remark,
            }
            for area in booking.areas.all()
        ],
    }


@receiver(render_succeeded)
def hand_to_guest(instance: Render, **kwargs: Any) -> None:
    """Make the link on the guest's page; that of the mail is for whoever reads the mail.

    Signals come at least once; the key makes it one link all the same.
    """
    if instance.template == HANDOVER:
        instance.share(key="guest", message=_("Your handover protocol. Fair winds!"))
