"""Fill the agency with boats, guests and bookings. Run again, it leaves alone what is there."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from charter.models import Boat, Booking, Guest

BOATS = [
    {
        "slug": "nereid",
        "name": "Nereid",
        "kind": Boat.Kind.SLOOP,
        "model": "Cruiser 38",
        "built": 2019,
        "length": "11.4",
        "cabins": 3,
        "berths": 6,
        "home_port": "Alimos",
        "summary": "Quick, dry and easy: the boat we would lend to a friend.",
        "description": "Everything leads to the cockpit, so two people sail her without a word. "
        "New sails last spring, a bimini that covers the helm, and a bathing ladder wide enough "
        "for grandparents.\n\nThe galley has a real oven. The cook's berth is the aft one.",
    },
    {
        "slug": "alcyone",
        "name": "Alcyone",
        "kind": Boat.Kind.CATAMARAN,
        "model": "Catamaran 42",
        "built": 2021,
        "length": "12.8",
        "cabins": 4,
        "berths": 10,
        "home_port": "Lavrio",
        "summary": "Room for two families and their opinions about where to anchor.",
        "description": "Four cabins with a door each, shade for ten, and a trampoline that nobody "
        "leaves before sunset. She draws 1.2 metres and goes where the others can't.\n\nSolar "
        "panels carry the fridge; the engines stay silent at anchor.",
    },
    {
        "slug": "evrydiki",
        "name": "Ευρυδίκη",
        "kind": Boat.Kind.KETCH,
        "model": "Wooden ketch",
        "built": 1974,
        "length": "14.2",
        "cabins": 3,
        "berths": 8,
        "home_port": "Poros",
        "summary": "Built on Samos in 1974, varnished every winter since. Sails with our skipper.",
        "description": "Pine on oak, red sails, and a bowsprit made for dolphins. She is slow, and "
        "you won't mind.\n\nΚαπετάν Στάθης has known her for thirty years and comes with her.",
    },
    {
        "slug": "petrel",
        "name": "Petrel",
        "kind": Boat.Kind.LAUNCH,
        "model": "Launch 27",
        "built": 2016,
        "length": "8.1",
        "cabins": 1,
        "berths": 2,
        "home_port": "Aegina",
        "summary": "For a day's swimming, or a night in a bay that has no name.",
        "description": "One diesel, one cabin, one cool box. Out of Aegina before breakfast, at "
        "Moni by the first swim.\n\nNo licence needed under ten knots; we show you the ropes.",
    },
]

GUESTS = [
    ("Ελένη Παπαδοπούλου", "eleni@example.com", "+30 690 000 0001"),
    ("Юлия Соколова", "yulia@example.com", "+359 88 000 0002"),
    ("Søren Kjær", "soren@example.com", "+45 20 00 00 03"),
    ("Zoë Müller-Lüdenscheidt", "zoe@example.com", "+49 151 0000004"),
    ("Łukasz Wiśniewski", "lukasz@example.com", "+48 500 000 005"),
]

# code, boat, guest, skipper, days from today, nights, status, how far the inspection is
BOOKINGS = [
    ("AEG-2027", "alcyone", "lukasz", "Łukasz Wiśniewski", -16, 7, "confirmed", "signed off"),
    ("AEG-2029", "evrydiki", "yulia", "Στάθης Βαμβακάς", -3, 7, "confirmed", "signed off"),
    ("AEG-2031", "nereid", "eleni", "Søren Kjær", 0, 7, "confirmed", "inspected"),
    ("AEG-2032", "petrel", "zoe", "Zoë Müller-Lüdenscheidt", 2, 1, "confirmed", ""),
    ("AEG-2034", "alcyone", "soren", "Søren Kjær", 5, 14, "confirmed", ""),
    ("AEG-2035", "nereid", "yulia", "Στάθης Βαμβακάς", 21, 7, "option", ""),
]

# Skippers who are not the guest; they sign the agreement, too.
SKIPPERS = {"Στάθης Βαμβακάς": "stathis@example.com", "Søren Kjær": "soren@example.com"}

INSPECTION = {
    "inspector": "Νίκος Αντωνίου",
    "engine_hours": 1184,
    "fuel": 95,
    "notes": "Spare key in the chart table. Holding tank is empty.",
}

AREAS = [
    ("hull", "ok", ""),
    ("deck", "worn", "Non-slip worn through at the port gate"),
    ("rigging", "ok", ""),
    ("sails", "ok", "Genoa re-stitched in April"),
    ("engine", "ok", "Oil changed at 1,180 h"),
    ("safety", "ok", "Raft, flares and eight lifejackets in date"),
    ("tender", "damaged", "Slow leak in the starboard tube; pump is in the locker"),
]

# What somebody on the quay may do: inspect boats, sign them off, hand their protocols out and take
# them back. No more: not mail them, not withdraw them, nothing in the documents' admin but look.
QUAY = {
    "charter": [
        *("view_booking", "change_booking", "sign_off_booking", "view_inspectionarea"),
        *("add_inspectionarea", "change_inspectionarea", "delete_inspectionarea"),
    ],
    "craftkit": ["view_render", "view_share", "see_share_link", "add_share", "revoke_share"],
}


class Command(BaseCommand):
    help = __doc__

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        staff = self.staff()
        self.quay()
        for boat in BOATS:
            Boat.objects.get_or_create(slug=boat["slug"], defaults=boat)
        for name, email, phone in GUESTS:
            Guest.objects.get_or_create(email=email, defaults={"name": name, "phone": phone})
        for row in BOOKINGS:
            self.booking(staff, row)
        self.stdout.write(f"{Boat.objects.count()} boats, {Booking.objects.count()} bookings.")

    def booking(self, staff: Any, row: tuple[str, str, str, str, int, int, str, str]) -> None:
        code, boat, guest, skipper, day, nights, status, inspection = row
        starts_at = timezone.localtime().replace(hour=16, minute=40) + timedelta(days=day)
        values = {
            "boat": Boat.objects.get(slug=boat),
            "guest": Guest.objects.get(email=f"{guest}@example.com"),
            "skipper": skipper,
            "skipper_email": SKIPPERS.get(skipper, ""),
            "starts_on": starts_at.date(),
            "ends_on": starts_at.date() + timedelta(days=nights),
            "status": status,
        }
        if inspection:
            values |= INSPECTION
        if inspection == "signed off":
            values |= {"signed_off_at": starts_at, "signed_off_by": staff}
        booking, is_new = Booking.objects.get_or_create(code=code, defaults=values)
        if is_new and inspection:
            for area, condition, remark in AREAS:
                booking.areas.create(area=area, condition=condition, remark=remark)

    def staff(self) -> Any:
        """Who signs off. A password that everybody knows exists in the demonstration only."""
        users = get_user_model().objects
        if found := users.filter(username="admin").first():
            return found
        name = {"first_name": "Μαρία", "last_name": "Θεοδώρου"}
        if settings.DEBUG:
            return users.create_superuser("admin", "admin@example.com", "admin", **name)
        return users.create_user("admin", "admin@example.com", **name)  # unusable password

    def quay(self) -> None:
        """Who inspects: a colleague with the permissions of that work, and no others."""
        name = {"first_name": "Νίκος", "last_name": "Αντωνίου", "email": "nikos@example.com"}
        users = get_user_model().objects
        nikos, is_new = users.get_or_create(username="nikos", defaults=name | {"is_staff": True})
        if not is_new:
            return
        if settings.DEBUG:
            nikos.set_password("nikos")
        else:
            nikos.set_unusable_password()
        nikos.save()
        for app, codenames in QUAY.items():
            nikos.user_permissions.add(
                *Permission.objects.filter(content_type__app_label=app, codename__in=codenames)
            )
