"""Many of a resource at a time, whose rows others lock and end, and whose workers die."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from django_craftkit import clock
from django_craftkit.models import Job, Render, Share, SignatureRequest
from django_craftkit.reconcile.loop import Loop
from django_craftkit.reconcile.signatures import states
from tests.helpers import LEASE_OVER, Elsewhere, Holding, Killed, elsewhere, killed, until
from tests.reconcile.helpers import locks_rows
from tests.reconcile.resources import (
    DOCUMENT,
    LINK,
    MAIL,
    SIGNATURE,
    check_made,
    each_of_all,
    each_resource,
    open_there,
    settle,
)
from tests.reconcile.signatures.helpers import history
from tests.seams import (
    after_marking_as_sent,
    after_sending,
    before_committing,
    before_marking_as_sent,
    before_sending,
    before_writing,
)

if TYPE_CHECKING:
    from tests.reconcile.resources import Resource

pytestmark = pytest.mark.django_db(transaction=True)

# Others in the way

LOCKED = [
    (DOCUMENT, "GET", Render),
    (DOCUMENT, "GET", Job),
    *[(share, "POST", model) for share in (LINK, MAIL) for model in (Render, Share, Job)],
    (SIGNATURE, "POST", SignatureRequest),
    (SIGNATURE, "POST", Job),
]


@locks_rows
@pytest.mark.parametrize(
    ("resource", "method", "model"),
    LOCKED,
    ids=[f"{one.name} {model.__name__}" for one, _method, model in LOCKED],
)
def test_a_row_that_somebody_has_locked_holds_up_no_other(
    craftkit, batch, work, resource, method, model
):
    rows = batch.request(resource, 4)
    if method == "GET":
        batch.work(4)
        craftkit.pass_time(5)
    if model is Job:
        mine = {"kind": resource.job, "object_id": rows[1].pk}
    else:
        mine = {"pk": rows[1].pk if model is resource.model else rows[1].render_id}
    someone = Holding(lambda: model.objects.select_for_update().get(**mine))

    with batch.together(4, method, someone.begin):
        worker = Elsewhere(work)
        try:
            until(lambda: resource.statuses().count(resource.made) >= 3)
        finally:
            someone.end()
        worker.wait()
    if resource.model is not Share:
        assert resource.statuses() == [resource.made] * 4
        assert not Job.objects.filter(kind=resource.job).exists()
    settle(craftkit)
    check_made(craftkit, resource, *rows)
    assert resource.posts(craftkit) == 4


BEFORE_CLAIM, BEFORE_MARK, AT_ANSWER = (
    "before it is claimed",
    "before it is marked",
    "when it is answered",
)
#: At which moment somebody is about to end one, and how many are under way together then.
ENDING = [
    *[(share, moment) for share in (LINK, MAIL) for moment in ((BEFORE_MARK, 3), (AT_ANSWER, 4))],
    (SIGNATURE, (BEFORE_CLAIM, 0)),
]


@locks_rows
@pytest.mark.parametrize(
    ("resource", "moment"), ENDING, ids=[f"{one.name} {moment[0]}" for one, moment in ENDING]
)
@pytest.mark.parametrize("end", ["taken back", "withdrawn"])
def test_what_somebody_is_about_to_end_holds_up_no_other(
    craftkit, batch, monkeypatch, work, resource, moment, end
):
    rows = batch.request(resource, 4)
    mine = resource.model.objects.get(pk=rows[1].pk)
    someone = Holding(
        lambda: mine.render.withdraw() if end == "withdrawn" else resource.take_back(mine)
    )
    when, number = moment

    def others() -> int:
        made = resource.model.objects.filter(status=resource.made)
        return made.exclude(pk=mine.pk).count()

    if resource is SIGNATURE:
        # As where others are open. MariaDB locks the gap before a job that is written anew, and a
        # first round would have its place there.
        states.schedule("default", clock.now() + timedelta(hours=1))
    with monkeypatch.context() as patch:
        if when == BEFORE_CLAIM:
            someone.begin()
        elif when == BEFORE_MARK:
            before_marking_as_sent(patch, resource.model, someone.begin)
        at_answer = someone.begin if when == AT_ANSWER else None
        with batch.together(number, act=at_answer):
            worker = Elsewhere(work)
            try:
                until(lambda: others() == 3)
            finally:
                someone.end()
            worker.wait()
    settle(craftkit)
    mine.refresh_from_db()
    assert (mine.status, others()) == (resource.ended, 3)
    assert len(open_there(craftkit)) == 3
    assert resource.posts(craftkit) == (4 if when == AT_ANSWER else 3)
    assert when == AT_ANSWER or mine.remote_id is None


def withdraw_beside(resource: Resource, row: Any) -> None:
    """Withdraw a document by a transaction that saw no row to end: it was written meanwhile."""
    Render.objects.filter(pk=row.render_id).update(withdrawn_at=clock.now())


@each_resource
@pytest.mark.parametrize("end", [lambda resource, row: resource.take_back(row), withdraw_beside])
def test_what_was_ended_since_it_was_read_is_not_sent(
    craftkit, batch, monkeypatch, work, resource, end
):
    """By whoever committed it in the moment before the rows are locked."""
    rows = batch.request(resource, 4)
    with monkeypatch.context() as patch:
        before_marking_as_sent(
            patch, resource.model, lambda: elsewhere(lambda: end(resource, rows[1]))
        )
        work()
    settle(craftkit)
    made = resource.made
    assert resource.statuses() == [made, resource.ended, made, made]
    assert resource.posts(craftkit) == len(open_there(craftkit)) == 3


# Workers that end, or stand still

DEATHS = {
    "marked": lambda patch, one: after_marking_as_sent(patch, one.model, killed),
    "sending": lambda patch, one: before_sending(patch, one.ending, killed, times=None),
    "sent": lambda patch, one: after_sending(patch, one.ending, killed, times=None),
    "one of them sent": lambda patch, one: after_sending(patch, one.ending, killed),
    "answered": lambda patch, one: before_writing(
        patch, one.model, killed, verb="UPDATE", setting="remote_id"
    ),
    "written": lambda patch, one: before_committing(
        patch, one.model, killed, verb="UPDATE", setting="remote_id"
    ),
}


@each_of_all
@pytest.mark.parametrize("die", DEATHS.values(), ids=DEATHS)
def test_a_worker_that_dies_with_a_batch_loses_and_doubles_nothing(
    craftkit, batch, monkeypatch, work, resource, die
):
    rows = batch.request(resource, 6, apart=False)
    with batch.together(6), monkeypatch.context() as patch:
        die(patch, resource)
        with pytest.raises(Killed):
            work()
    assert resource.statuses() == ["pending"] * 6
    assert not resource.model.objects.filter(sending_since=None).exists()
    craftkit.pass_time(LEASE_OVER)
    settle(craftkit)
    check_made(craftkit, resource, *rows)
    if resource.model is Share:
        assert resource.posts(craftkit) == 6
    if resource is SIGNATURE:
        assert list(map(history, rows)) == [["sent"]] * 6


@each_resource
@pytest.mark.parametrize(
    ("seconds", "number"), [(LEASE_OVER / 2, 4), (LEASE_OVER, 4), (LEASE_OVER, 1)]
)
def test_who_stood_still_after_marking_a_batch_makes_no_call_of_it(
    craftkit, batch, monkeypatch, resource, seconds, number
):
    """A suspended machine: by now another worker may settle them, as calls that were not made."""
    rows = batch.request(resource, number, apart=False)
    waited, marked, unmarked = [], [], []

    def stand_still():
        marked.extend(resource.model.objects.values_list("sending_since", flat=True))
        craftkit.pass_time(seconds)

    def look():
        unmarked.append(resource.model.objects.filter(sending_since=None).count())
        under_way = resource.model.objects.exclude(sending_since=None)
        waited.append(clock.now() - under_way.earliest("sending_since").sending_since)

    after_marking_as_sent(monkeypatch, resource.model, stand_still)
    before_sending(monkeypatch, resource.ending, look, times=None)
    # Not in time that stands still.
    Loop(threads=8 if number > 1 else 1, wake=None).run(10.0)
    assert len(marked) == number
    assert None not in marked
    if resource is SIGNATURE and seconds < LEASE_OVER:
        assert resource.statuses() == [resource.made] * number, "in the same run"
        assert set(unmarked) == {0}
    settle(craftkit)
    assert len(waited) == resource.posts(craftkit) == number
    assert max(waited) < timedelta(seconds=60)
    check_made(craftkit, resource, *rows)
