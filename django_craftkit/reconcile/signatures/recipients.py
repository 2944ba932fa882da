"""The people of signature requests, as Craftkit tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_craftkit.database import database, sanitized
from django_craftkit.models import SignatureRecipient, SignatureRequest
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.states import earliest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_craftkit import client

#: What remote states may change.
COLUMNS = ("remote_id", "signed_at", "declined_at")


def people_of(rows: Sequence[SignatureRequest]) -> dict[int, list[SignatureRecipient]]:
    """Return the people of requests by their primary keys, in the order of their rows."""
    people: dict[int, list[SignatureRecipient]] = {}
    pks = [row.pk for row in rows]
    for one in SignatureRecipient.objects.using(database()).filter(request__in=pks):
        people.setdefault(one.request_id, []).append(one)
    for mine in people.values():
        mine.sort(key=lambda one: one.position)
    return people


def values_of(one: SignatureRecipient) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in COLUMNS)


def update_person(
    row: SignatureRequest, people: list[SignatureRecipient], person: client.SignatureRecipient
) -> None:
    one = _same_person(people, person)
    if one is None and person.unreadable.keys() & {"id", "email", "order"}:
        # Nobody can tell whether it is one of them.
        return
    if one is None:
        # Somebody whom Craftkit, or its provider, has added.
        one = SignatureRecipient(
            request=row,
            position=max((known.position for known in people), default=-1) + 1,
            first_name=sanitized(person.first_name)[:100],
            last_name=sanitized(person.last_name)[:100],
            email=_address(person),
            designation=sanitized(person.designation)[:16],
            order=person.order if person.order and 0 < person.order < 2**15 else None,
        )
        people.append(one)
    one.remote_id = one.remote_id or sanitized(person.id)[:128]
    one.signed_at = earliest(one.signed_at, from_utc(person.signed_at))
    one.declined_at = earliest(one.declined_at, from_utc(person.declined_at))


def _same_person(
    people: Sequence[SignatureRecipient], person: client.SignatureRecipient
) -> SignatureRecipient | None:
    """Return the row of a person: by Craftkit's id, else by address and turn, else by address."""
    for one in people:
        if person.id and one.remote_id == sanitized(person.id)[:128]:
            return one
    free = [one for one in people if not one.remote_id or not person.id]
    address = _address(person).casefold()
    alike = [one for one in free if one.email.casefold() == address]
    turns = [one for one in alike if (one.order or one.position + 1) == person.order]
    if len(alike) > 1 and "order" in person.unreadable:
        return None
    return next(iter(turns or alike), None)


def _address(person: client.SignatureRecipient) -> str:
    """Return a person's address as it is stored."""
    address: str = sanitized(person.email)[:255]
    return address
