"""Many of a resource at a time: each as if it were alone, at the cost of a few."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DataError

from django_craftkit import clock
from django_craftkit.models import (
    Change,
    Job,
    ProjectState,
    Render,
    Share,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.sandbox import SandboxAdapter
from tests.helpers import TIMEOUT
from tests.reconcile.resources import (
    DOCUMENT,
    LINK,
    MAIL,
    SIGNATURE,
    check_made,
    each_of_all,
    each_share,
    open_there,
    settle,
)
from tests.reconcile.signatures.helpers import GUEST
from tests.seams import before_writing, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.reconcile.resources import Resource

pytestmark = pytest.mark.django_db(transaction=True)


def unfinished() -> Any:
    """Return the jobs that are left, but for the one that asks about what is open."""
    return Job.objects.exclude(kind=Job.Kind.POLL_SIGNATURES)


# At the cost of a few


def wait_for_documents(batch, resource, number):
    batch.craftkit.sandbox.render_time = 60.0
    for one in range(number):
        resource.ask(Render.objects.request("invoice", {}, key=f"{number} {one}"))
    Job.objects.exclude(kind=resource.job).delete()

    def run():
        batch.work(0)
        late = clock.now() + timedelta(minutes=10)
        assert Job.objects.filter(kind=resource.job, due_at__gt=late).count() == number

    return run


def are_sent(batch, resource, number, *, apart=True):
    batch.request(resource, number, apart=apart)

    def run():
        batch.work(number)
        assert resource.statuses() == [resource.answered] * number

    return run


def are_followed(batch, resource, number):
    are_sent(batch, resource, number)()
    batch.craftkit.pass_time(5)

    def run():
        batch.work(number, "GET")
        assert resource.statuses() == [resource.made] * number
        assert not unfinished().exists()

    return run


def are_asked_about(batch, resource, number):
    are_sent(batch, resource, number)()
    for request in SignatureRequest.objects.all():
        batch.craftkit.sandbox.view_signature(str(request.remote_id), GUEST.email)
        request.refresh()

    def run():
        batch.work(number, "GET")
        assert resource.statuses() == ["viewed"] * number

    return run


def are_taken_back(batch, resource, number):
    are_sent(batch, resource, number)()
    for row in resource.model.objects.all():
        assert resource.take_back(row)

    def run():
        batch.work(number, "POST" if resource is SIGNATURE else "DELETE")
        assert resource.statuses() == [resource.ended] * number
        assert not unfinished().exists()

    return run


def are_sent_of_one_document(batch, resource, number):
    return are_sent(batch, resource, number, apart=False)


def are_revoked_of_one_document(batch, resource, number):
    are_sent(batch, resource, number, apart=False)()
    pks = list(Share.objects.values_list("pk", flat=True))
    assert len(Share.objects.revoke_chosen(pks, user=None)) == number

    def run():
        batch.work(number, "DELETE")
        assert resource.statuses() == [resource.ended] * number
        assert not unfinished().exists()

    return run


STEPS = [
    (DOCUMENT, are_sent),
    (DOCUMENT, are_followed),
    *[
        (share, step)
        for share in (LINK, MAIL)
        for step in (
            are_sent,
            are_sent_of_one_document,
            are_taken_back,
            are_revoked_of_one_document,
        )
    ],
    *[
        (SIGNATURE, step)
        for step in (wait_for_documents, are_sent, are_asked_about, are_taken_back)
    ],
]


@pytest.mark.parametrize(
    ("resource", "begin"), STEPS, ids=[f"{one.name}s {step.__name__}" for one, step in STEPS]
)
def test_many_take_as_many_statements_as_two(monkeypatch, batch, resource, begin):
    """Whatever else the loop looks for; and none of them where the calls are made."""
    models = [SignatureRecipient, SignatureRequest, Share, Change, Render]
    tables = [model._meta.db_table for model in models]

    def count(number: int) -> int:
        for model in (*models, Job):
            model.objects.all().delete()
        run = begin(batch, resource, number)
        with monkeypatch.context() as patch:
            made = statements(patch)
            run()
        assert {thread for thread, _sql in made} == {threading.get_ident()}
        return sum(any(table in sql for table in tables) for _thread, sql in made)

    assert count(8) == count(2)


# As if it were alone


@contextmanager
def answered(
    monkeypatch, craftkit, resource: Resource, number: int, faults: dict[str, dict[str, Any]]
) -> Iterator[None]:
    """So many calls are under way at a time; what goes wrong with each is told by its name."""
    start, one = threading.Barrier(number, timeout=TIMEOUT), threading.Lock()
    send = SandboxAdapter.send

    def meet(self, request, *args, **kwargs):
        if request.method != "POST" or not request.path_url.endswith(resource.ending):
            return send(self, request, *args, **kwargs)
        start.wait()
        with one:
            fault = faults[resource.name_in(request.body)]
            if fault:
                # Of this call: links are looked for meanwhile.
                craftkit.sandbox.faults.add(method="POST", **fault)
            return send(self, request, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", meet)
        yield


FAULTS: dict[str, dict[str, Any]] = {
    "good": {},
    "refused": {"kind": "status", "status": 400, "code": "invalid_request", "message": "No."},
    "lost": {"kind": "cut_after"},
    "never there": {"kind": "cut_before"},
}
NO_CREDITS: dict[str, Any] = {"kind": "status", "status": 402, "code": "credits_exhausted"}


@each_of_all
@pytest.mark.parametrize("threads", [8, 1], ids=["in a batch", "alone"])
def test_each_of_a_batch_ends_as_it_would_alone(
    craftkit, batch, monkeypatch, work, resource, threads
):
    is_share, faults = resource.model is Share, dict(FAULTS)
    if resource is MAIL:
        faults["failed"] = {"kind": "email_send_failed", "message": "Mailbox unknown."}
    if resource is DOCUMENT:
        craftkit.sandbox.put_template("withdrawn", manifest=None)
        faults["unpublished"] = {}
    faults["stopped"] = NO_CREDITS
    (render,) = batch.documents(resource, 1)
    requested = {name: resource.named(render, name) for name in faults}
    Render.objects.filter(key="unpublished").update(template="withdrawn")
    at_once = len(faults) if threads > 1 else 1
    with answered(monkeypatch, craftkit, resource, at_once, faults):
        work(threads)

    def rows() -> dict[str, Any]:
        return {name: resource.model.objects.get(pk=row.pk) for name, row in requested.items()}

    found = rows()
    assert (found["good"].status, found["good"].error) == (resource.answered, "")
    refused = found["refused"]
    assert (refused.status, refused.error, refused.error_code) == (
        "rejected",
        "No.",
        "invalid_request",
    )
    # It may have been settled by now, unless the pause was first.
    assert found["lost"].status in (("unknown", "active") if is_share else ("pending",))
    assert found["never there"].status == ("unknown" if is_share else "pending")
    stopped = found["stopped"]
    assert (stopped.status, stopped.sending_since, stopped.remote_id) == ("pending", None, None)
    if resource is MAIL:
        failed = found["failed"]
        assert (failed.status, failed.error_code) == ("rejected", "email_send_failed")
        assert (failed.error, failed.sending_since) == ("Mailbox unknown.", None)
    if resource is DOCUMENT:
        unpublished = found["unpublished"]
        assert (unpublished.status, unpublished.error_code) == ("rejected", "no_published_version")
    state = ProjectState.objects.get(capability="")
    assert (state.paused_at is not None, state.probes) == (True, 1)
    assert resource.posts(craftkit) == len(faults)
    jobs = {job.object_id: job for job in Job.objects.filter(kind=resource.job)}
    assert not Job.objects.exclude(lease_token=None).exists()
    assert requested["refused"].pk not in jobs
    assert (requested["good"].pk in jobs) == (resource is DOCUMENT), "documents are followed"
    if is_share:
        done = [requested[name].pk for name in ("good", "refused")]
        assert not Job.objects.filter(kind__in=("share", "email"), object_id__in=done).exists()
    if not is_share:
        for name in ("lost", "never there"):
            job = jobs[requested[name].pk]
            assert (job.failures, job.attempts) == (1, 0)

    settle(craftkit)
    found = rows()
    rejected = {"refused", "failed", "unpublished"}
    assert {name: row.status for name, row in found.items()} == {
        name: "rejected" if name in rejected else resource.made for name in faults
    }
    again = ("stopped", "never there") if is_share else ("stopped", "never there", "lost")
    assert resource.posts(craftkit) == len(faults) + len(again)
    mine = {str(row.remote_id) for name, row in found.items() if name not in rejected}
    there = [one.id for one in craftkit.renders] if resource is DOCUMENT else open_there(craftkit)
    assert (set(there), len(there)) == (mine, len(mine))
    assert sorted(mail.message for mail in craftkit.outbox) == (
        sorted(set(faults) - rejected) if resource is MAIL else []
    )
    if is_share:
        ended = Change.objects.filter(kind="share", object_id=requested["lost"].pk)
        assert list(ended.values_list("to_status", "cause")) == [
            ("unknown", "answer"),
            ("active", "read back"),
        ]


LACKS: dict[str, tuple[Resource, str, str, Callable[..., None]]] = {
    "key": (
        DOCUMENT,
        "",
        "unauthorized",
        lambda sandbox, there: (
            sandbox.add_key("ck_test_default", "default")
            if there
            else sandbox.revoke_key("ck_test_default")
        ),
    ),
    "e-mail": (
        MAIL,
        "email",
        "email_not_configured",
        lambda sandbox, there: setattr(sandbox.project("default"), "email_configured", there),
    ),
    "credits": (
        SIGNATURE,
        "signatures",
        "signature_credits_exhausted",
        lambda sandbox, there: setattr(sandbox, "signature_credits", None if there else 0),
    ),
}


@pytest.mark.parametrize(("resource", "capability", "code", "put"), LACKS.values(), ids=LACKS)
def test_what_all_calls_under_way_are_refused_for_pauses_their_project_once(
    craftkit, batch, work, resource, capability, code, put
):
    rows = batch.request(resource, 6, apart=False)
    put(craftkit.sandbox, False)
    with batch.together(6):
        work(6)
    state = ProjectState.objects.paused().get()
    assert (state.capability, state.pause_code, state.probes) == (capability, code, 1)
    assert Change.objects.filter(signal="project_paused").count() == 1
    states = resource.model.objects.values_list("status", "sending_since")
    assert set(states) == {("pending", None)}
    assert set(Job.objects.values_list("attempts", "lease_token")) == {(0, None)}
    put(craftkit.sandbox, True)
    craftkit.pass_time(120)
    settle(craftkit)
    check_made(craftkit, resource, *rows)


ANSWERS = [
    (DOCUMENT, "POST"),
    (DOCUMENT, "GET"),
    (LINK, "POST"),
    (MAIL, "POST"),
    (SIGNATURE, "POST"),
]


@pytest.mark.parametrize(
    ("resource", "method"), ANSWERS, ids=[f"{one.name} {method}" for one, method in ANSWERS]
)
@pytest.mark.parametrize("error", [DataError, OverflowError])
def test_one_that_breaks_its_group_breaks_it_for_itself_alone(
    craftkit, batch, monkeypatch, resource, method, error
):
    rows = batch.request(resource, 4, apart=False)
    if method == "GET":
        batch.work(4)
        craftkit.pass_time(5)
    bad, broken, send = resource.model.objects.get(pk=rows[2].pk), [], SandboxAdapter.send

    def is_about_it(request) -> bool:
        if method == "POST":
            return resource.name_in(request.body) == "2 of 4"
        return request.path_url.endswith(str(bad.remote_id))

    def odd(self, request, *args, **kwargs):
        response = send(self, request, *args, **kwargs)
        if is_about_it(request):
            said = json.loads(response.content) | {"odd": "it is"}
            response._content = json.dumps(said).encode()
            response.headers.pop("Content-Length", None)
        return response

    def refuse():
        broken.append(True)
        raise error("no such value")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxAdapter, "send", odd)
        before_writing(patch, resource.model, refuse, saying="it is", times=None)
        batch.work(4, method)
    assert len(broken) == 2, "with the others, and alone"
    end = resource.made if method == "GET" else resource.answered
    assert resource.statuses() == [end, end, bad.status, end]
    bad.refresh_from_db()
    assert bad.sending_since is not None
    jobs = Job.objects.filter(kind=resource.job)
    job = jobs.get(object_id=bad.pk)
    assert (job.failures, job.lease_token) == (1, None)
    assert jobs.count() == (4 if (resource, method) == (DOCUMENT, "POST") else 1)
    settle(craftkit)
    check_made(craftkit, resource, *rows)
    assert resource.posts(craftkit) == (4 if resource.model is Share or method == "GET" else 5)


@each_share
@pytest.mark.parametrize("threads", [8, 1], ids=["in a batch", "alone"])
def test_the_same_words_whose_answers_are_lost_take_a_link_each(
    craftkit, batch, work, resource, threads
):
    (render,) = batch.documents(resource, 1)
    rows = [resource.ask(render, key=key) for key in "abc"]
    craftkit.sandbox.faults.add("cut_after", times=3, **resource.post)
    work(threads)
    assert set(resource.statuses()) <= {"unknown", "active"}
    settle(craftkit)
    check_made(craftkit, resource, *rows)
    assert resource.posts(craftkit) == 3
