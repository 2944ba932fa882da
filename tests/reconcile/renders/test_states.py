"""Any remote states in any order, with repeats, end in the same row."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from django_craftkit.database import sanitized
from django_craftkit.models import Render
from django_craftkit.reconcile.renders.states import RANK, DocumentStates
from django_craftkit.reconcile.states import RemoteState, advance, merge_answers

REMOTE = uuid.uuid4()
moments = st.none() | st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2026, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
values = st.none() | st.integers() | st.text(max_size=5) | st.booleans() | st.lists(st.integers())
states = st.builds(
    RemoteState,
    status=st.sampled_from([*Render.Status.values, "archived", "thawed"]),
    remote_id=st.just(REMOTE),
    error=st.sampled_from(["", "no ink", "no paper"]),
    error_code=st.sampled_from(["", "a", "b"]),
    accepted_at=moments,
    completed_at=moments,
    answer=st.dictionaries(st.sampled_from("abc"), values),
)


def row_after(order: list[RemoteState]) -> tuple:
    row = Render(template="invoice", key="k", remote_id=REMOTE)
    for state in order:
        advance(row, state, RANK)
    return tuple(getattr(row, name) for name in DocumentStates.columns)


@settings(max_examples=300)
@given(
    st.lists(states, max_size=6).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(some))
    )
)
def test_the_order_of_states_makes_no_difference(both):
    one, other = both
    assert row_after(one) == row_after(other)


@given(st.lists(states, max_size=5))
def test_repeats_of_states_make_no_difference(some):
    assert (
        row_after(some) == row_after([*some, *some]) == row_after([f for f in some for _ in "ab"])
    )


@given(st.lists(states, min_size=1, max_size=5))
def test_no_state_takes_a_final_status_back(some):
    row = Render(template="invoice", key="k", remote_id=REMOTE)
    seen = []
    for state in some:
        advance(row, state, RANK)
        seen.append(row.is_final)
    assert seen == sorted(seen)


def test_null_never_stands_over_a_value():
    assert merge_answers({"a": 1}, {"a": None, "b": None}) == {"a": 1, "b": None}


def test_what_some_database_cannot_store_is_left_out():
    odd = {"a\0": ["b\0", {"c": "\ud800"}, 1, None, float("nan"), float("inf")]}
    assert sanitized(odd) == {"a": ["b", {"c": "?"}, 1, None, None, None]}
