"""An account that is wrong says so: else a run would show nothing."""

from __future__ import annotations

import pytest

from .__main__ import parser
from .accounts import NAMED, Account, table


def test_what_is_there_once_each_is_right():
    account = Account("links", {"a", "b"}, ["b", "a"])
    assert account.is_right
    assert list(account.faults()) == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (["a"], "links, lost: b"),
        (["a", "b", "b"], "links, doubled: b"),
        (["a", "b", "c"], "links, unexpected: c"),
    ],
)
def test_what_is_lost_doubled_or_unexpected_is_named(found: list[str], fault: str):
    account = Account("links", {"a", "b"}, found)
    assert not account.is_right
    assert list(account.faults()) == [fault]


def test_what_is_excused_may_be_missing_and_not_be_there_twice():
    assert Account("e-mails", {"a"}, [], excused={"a"}).is_right
    assert list(Account("e-mails", {"a"}, ["a", "a"], excused={"a"}).faults()) == [
        "e-mails, doubled: a"
    ]


def test_what_may_repeat_may_be_neither_lost_nor_unexpected():
    account = Account("changes", {"a", "b"}, ["a", "a", "c"], may_repeat=True)
    assert list(account.faults()) == ["changes, lost: b", "changes, unexpected: c"]


def test_of_many_faults_some_are_named_and_the_others_counted():
    labels = [f"{number:03}" for number in range(NAMED + 3)]
    (fault,) = Account("links", labels, []).faults()
    assert labels[NAMED - 1] in fault
    assert fault.endswith("and 3 more")


def test_the_table_shows_which_line_is_wrong():
    *_, right, wrong = table(
        [Account("right", {"a"}, ["a"]), Account("wrong", {"a"}, ["a", "a"])]
    ).splitlines()
    assert right.split() == ["right", "1", "1", "0", "0", "0", "ok"]
    assert wrong.split() == ["wrong", "1", "2", "0", "1", "0", "WRONG"]


def test_as_much_as_it_promises_is_the_default():
    options = parser().parse_args([])
    assert options.events == 10_000
    assert options.every > 0
