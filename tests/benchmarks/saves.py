"""A save with ``render_on`` against one with ``transaction.on_commit(task.delay)``."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_craftkit.models import Render

from .measure import Figure, empty, ratios, say
from .models import Booking, DeclaredBooking, HandBooking

if TYPE_CHECKING:
    from .measure import Work


def saves(rounds: int, bookings: int) -> list[Figure]:
    """The queries, savepoints included, that a declared document adds to a save; and the time."""
    empty()
    # The types of content are looked up once in the life of a process.
    ContentType.objects.get_for_model(DeclaredBooking)
    declared, by_hand = DeclaredBooking(code="counted"), HandBooking(code="counted")
    first = _queries(declared) - _queries(by_hand)
    again = _queries(declared) - _queries(by_hand)
    figures = [
        Figure("queries more for the first save than by hand", [first], at_most=3),
        Figure("queries more for each later save", [again], at_most=3),
    ]
    for name, repeats in (("first", 1), ("later", 2)):
        say(f"{bookings} {name} saves a round, declared and by hand:")
        found = ratios(
            rounds,
            lambda n=repeats: _saves(DeclaredBooking, bookings, n),  # type: ignore[misc]
            lambda n=repeats: _saves(HandBooking, bookings, n),  # type: ignore[misc]
        )
        figures.append(Figure(f"time of the {name} save and its commit, of that by hand", found))
    if Render.objects.count() != 1 + 2 * (rounds + 1) * bookings:
        raise RuntimeError("A save did not ask for its document.")
    return figures


def _queries(booking: Booking) -> int:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        booking.save()
    return len(queries)


def _saves(model: type[Booking], count: int, number: int) -> Work:
    """Prepare so many saves, each the first, second… of its booking."""
    bookings = [model(code=uuid.uuid4().hex) for _ in range(count)]
    for _ in range(1, number):
        for booking in bookings:
            _save(booking)
    return [partial(_save, booking) for booking in bookings]


def _save(booking: Booking) -> None:
    with transaction.atomic():
        booking.save()
