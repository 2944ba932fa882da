"""Any remote states of a request in any order, batches and repeats, end in the same rows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_craftkit.client import SignatureRecipient as Person
from django_craftkit.database import sanitized
from django_craftkit.models import Change, Render, SignatureRecipient, SignatureRequest
from django_craftkit.reconcile.signatures import states as signatures
from django_craftkit.reconcile.signatures.states import OPEN, RANK, RequestStates, update
from django_craftkit.reconcile.states import RemoteState

REMOTE = uuid.uuid4()
START = datetime(2026, 6, 5, tzinfo=UTC)
PEOPLE = {
    "rcp-1": ("ada@example.com", 1),
    "rcp-2": ("bob@example.com", 2),
    # One address, two people.
    "rcp-3": ("Bob@example.com", 3),
}
moments = st.none() | st.integers(0, 9).map(lambda minutes: START + timedelta(minutes=minutes))


def person(name: str, says_id: bool, signed: datetime | None, declined: datetime | None) -> Person:
    email, order = PEOPLE[name]
    return Person(
        id=name if says_id else "",
        first_name="",
        last_name="",
        email=email,
        designation="Signer",
        order=order,
        signed_at=signed,
        declined_at=declined,
    )


people = st.lists(
    st.builds(person, st.sampled_from(sorted(PEOPLE)), st.booleans(), moments, moments),
    max_size=3,
    unique_by=lambda one: (one.email, one.order),
).map(tuple)
answers = st.builds(
    RemoteState,
    status=st.sampled_from([*SignatureRequest.Status.values, "signed", "archived"]),
    remote_id=st.just(REMOTE),
    error=st.sampled_from(["", "no ink", "no paper"]),
    accepted_at=moments,
    completed_at=moments,
    people=people,
    # What can't be stored is taken out before a state is made.
    answer=st.dictionaries(
        st.sampled_from("ab"), st.none() | st.integers() | st.text(max_size=3)
    ).map(sanitized),
)
notices = st.builds(
    RemoteState,
    remote_id=st.just(REMOTE),
    answer=st.fixed_dictionaries(
        {}, optional={"reason": st.sampled_from(["too dear", "too late"])}
    ),
)
some_states = st.lists(answers | notices, max_size=6)
orders = some_states.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some)))


def new() -> tuple[SignatureRequest, list[SignatureRecipient]]:
    row = SignatureRequest(key="k", remote_id=REMOTE, status="sent")
    mine = [
        SignatureRecipient(request=row, position=position, email=email.lower())
        for position, (email, _) in enumerate(PEOPLE.values())
    ]
    return row, mine


def values(row: SignatureRequest, mine: list[SignatureRecipient]) -> tuple:
    names = ("position", "email", "remote_id", "signed_at", "declined_at")
    columns = [getattr(row, name) for name in RequestStates.columns if name != "poll_at"]
    return columns, sorted(tuple(getattr(one, name) for name in names) for one in mine)


def rows_after(order: list[RemoteState]) -> tuple:
    row, mine = new()
    for state in order:
        update(row, mine, state)
    return values(row, mine)


@settings(max_examples=200)
@given(orders)
def test_the_order_of_states_makes_no_difference(both):
    one, other = both
    assert rows_after(one) == rows_after(other)


@given(some_states)
def test_repeats_of_states_make_no_difference(some):
    assert rows_after(some) == rows_after([*some, *some])
    assert rows_after(some) == rows_after([state for state in some for _ in "ab"])


@given(some_states)
def test_no_status_is_left_for_one_of_a_lower_rank_and_no_final_one_for_an_open_one(some):
    row, mine = new()
    for state in some:
        before = row.status
        update(row, mine, state)
        assert RANK[row.status] >= RANK[before]
        assert not (row.status in OPEN and before not in OPEN)


@given(some_states)
def test_a_moment_never_gets_later_and_is_never_taken_back(some):
    row, mine = new()
    seen: dict[object, datetime] = {}
    for state in some:
        update(row, mine, state)
        now = {("done", 0): row.completed_at, ("accepted", 0): row.accepted_at}
        for one in mine:
            now["signed", one.position] = one.signed_at
            now["declined", one.position] = one.declined_at
        for name, moment in seen.items():
            assert now[name] is not None
            assert now[name] <= moment
        seen = {name: moment for name, moment in now.items() if moment is not None}
    assert len(mine) == 3, "nobody is taken for somebody else"


@pytest.fixture
def render(db) -> Render:
    return Render.objects.create(template="invoice", key="1", key_hash="1", status="succeeded")


@settings(max_examples=12)
@given(orders, st.data())
def test_batches_make_no_difference_either(render, both, data):
    """In the database: what several batches write, whoever applied them, is what one would."""
    ends = []
    for order in both:
        # Each under an id of its own, so that both can stand side by side.
        request = SignatureRequest.objects.create(
            render=render, key="k", key_hash=uuid.uuid4().hex, remote_id=REMOTE, status="sent"
        )
        SignatureRecipient.objects.bulk_create(
            SignatureRecipient(request=request, position=position, email=email.lower())
            for position, (email, _) in enumerate(PEOPLE.values())
        )
        left = list(order)
        while left:
            size = data.draw(st.integers(1, len(left)))
            batch, left = left[:size], left[size:]
            row = SignatureRequest.objects.get(pk=request.pk)
            signatures.RequestStates(Change.Cause.POLL).apply([(row, batch)])
        row = SignatureRequest.objects.get(pk=request.pk)
        ends.append(values(row, list(row.recipients.all())))
        final = Change.objects.filter(object_id=request.pk, to_status=row.status, recipient=None)
        assert final.count() == (row.status != "sent"), "each stage is told of once"
        signed = Change.objects.filter(object_id=request.pk, recipient__isnull=False)
        assert signed.count() == row.recipients.filter(signed_at__isnull=False).count()
    assert ends[0] == ends[1]
