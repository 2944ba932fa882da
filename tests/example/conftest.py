"""A boat, a guest, and a booking that is ready to be signed off."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from charter.models import Boat, Booking, Guest

EXAMPLE = Path(__file__).parents[2] / "example_project"
#: Under version control; what `craftkit_templates pull` has written.
FILES = EXAMPLE / "craftkit_templates"
#: Designed at Craftkit; what the sandbox has in its place.
LISTED = EXAMPLE / "templates.json"


Templates = dict[str, dict[str, Any]]


def in_files() -> Templates:
    return {path.stem: json.loads(path.read_text()) for path in FILES.glob("*.json")}


def listed() -> Templates:
    return {one["slug"]: one for one in json.loads(LISTED.read_text())}


def templates() -> Templates:
    """Return the example's templates by slug, as they are published."""
    return {**listed(), **in_files()}


@pytest.fixture
def booking(db):
    boat = Boat.objects.create(
        name="Nereid",
        slug="nereid",
        kind="sloop",
        model="Cruiser 38",
        built=2019,
        length="11.4",
        cabins=3,
        berths=6,
        home_port="Alimos",
        summary="Quick and dry.",
        description="Everything leads to the cockpit.",
    )
    booking = Booking.objects.create(
        code="AEG-2031",
        boat=boat,
        guest=Guest.objects.create(name="Ελένη Παπαδοπούλου", email="eleni@example.com"),
        skipper="Søren Kjær",
        starts_on=date(2031, 5, 3),
        ends_on=date(2031, 5, 10),
        status=Booking.Status.CONFIRMED,
        engine_hours=1184,
        fuel=95,
    )
    booking.areas.create(area="tender", condition="damaged", remark="Slow leak")
    return booking
