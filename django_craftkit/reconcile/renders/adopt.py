"""Documents that were made elsewhere: taken in when a webhook tells of one (``ADOPT``).

By Craftkit's dashboard, an inbound hook, a form, another application with the same key. A row of
this site's own that is being sent may turn out to be the one: it is waited for, so that no two rows
are of one document.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django_craftkit import conf, untrusted
from django_craftkit.client import NotFound
from django_craftkit.clock import database_now
from django_craftkit.database import in_transaction, insert_or_get, lock
from django_craftkit.log import about, get_logger
from django_craftkit.models import (
    Change,
    FormSubmission,
    Job,
    ProjectState,
    Render,
    Template,
    WebhookDelivery,
)
from django_craftkit.models.arguments import MAX_SLUG, hash_key
from django_craftkit.models.problems import NO_PROBLEM, ErrorCode, Problem
from django_craftkit.projects import get_client
from django_craftkit.reconcile.answers import SKEW
from django_craftkit.reconcile.moments import from_utc
from django_craftkit.reconcile.results import Done, Failed, Reschedule, Result
from django_craftkit.statements import Lookup

from .states import Status, apply_one, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import QuerySet

    from django_craftkit import client
    from django_craftkit.models.render_queryset import RenderQuerySet

logger = get_logger(__name__)

#: Seconds to the next look whether a call of this site's own was the one.
AGAIN = 60.0
#: What of a document can be known elsewhere alone.
_ENDED_BADLY = ("failed", "cancelled")


def waiting() -> QuerySet[WebhookDelivery]:
    """Return the webhooks whose documents are to be taken in."""
    ignored = WebhookDelivery.objects.writer().filter(status=WebhookDelivery.Status.IGNORED)
    named = ignored.filter(error_code=ErrorCode.TO_BE_ADOPTED, about__isnull=False)
    return named.exclude(body=b"")


def step(job: Job) -> Result:
    """Take in the document that a webhook is about, and have the webhook processed once more."""
    delivery = waiting().filter(pk=job.object_id).first()
    if delivery is None or delivery.about is None:
        return Done()
    known = Render.objects.writer().filter(project=delivery.project, remote_id=delivery.about)
    if known.exists():
        _replay(delivery)
        return Done()
    if not conf.options().ADOPT:
        _give_up(delivery)
        return Done()
    template = _template_of(delivery)
    # Nor is Craftkit asked before anything can be decided: it was made before that was told.
    left = (delivery.received_at + SKEW - database_now()).total_seconds()
    if left >= 0:
        return Reschedule(left + 1.0)
    if template is None:
        return Reschedule(AGAIN)
    craftkit = get_client(delivery.project, max_retries=0)
    try:
        said = craftkit.renders.get(delivery.about)
    except NotFound as error:
        if error.is_passing:
            raise
        _give_up(delivery)
        return Done(answered=True)
    if said.id != delivery.about:
        return Failed(Problem(ErrorCode.OTHER_ANSWERED, str(said.id)))
    return _adopt(delivery, said, template)


def _template_of(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """Return what is known of a document's template: its slug, else Craftkit's id of it.

    Craftkit says only the id, and of the version nothing; a form says both. ``None``: the templates
    are to be read anew first, once for all that wait for it.
    """
    if form := _submissions(delivery).defer("data", "answer").first():
        return _said_of_form(form)
    said = str(untrusted.loads(bytes(delivery.body)).get("templateId") or "")
    try:
        remote_id = uuid.UUID(said)
    except ValueError:
        return {"template": said[:MAX_SLUG]}
    templates = Template.objects.writer().filter(project=delivery.project, remote_id=remote_id)
    slug = templates.order_by("-seen_at").values_list("slug", flat=True).first()
    if slug is not None:
        return {"template": slug}
    read_at = ProjectState.objects.of(delivery.project).templates_read_at
    if read_at is None or read_at < delivery.received_at:
        Template.objects.refresh_soon(delivery.project)
        return None
    return {"template": str(remote_id)}


def _submissions(delivery: WebhookDelivery) -> QuerySet[FormSubmission]:
    return FormSubmission.objects.writer().filter(
        project=delivery.project, render_remote_id=delivery.about
    )


def _said_of_form(form: FormSubmission) -> dict[str, Any]:
    return {"template": form.template, "version": form.version, **form.source_values}


def exclude(projects: Iterable[str]) -> None:
    """Have no document of these projects taken in until this transaction is over.

    Whoever links rows to a document that may just be taken in comes first, or finds it.
    """
    for project in sorted(projects):
        state = ProjectState.objects.of(project)
        lock(ProjectState.objects.writer()).filter(pk=state.pk).values("pk").first()


@in_transaction
def _adopt(
    delivery: WebhookDelivery, said: client.Render, template: dict[str, Any]
) -> Done | Reschedule:
    """Write the row of a document that was made elsewhere, as soon as it can be no other."""
    exclude([delivery.project])
    now = database_now()
    made_at = from_utc(said.created_at) or delivery.received_at
    # A call that begins later and is answered with this one is refused: see ``calls.refused``.
    left = (made_at + SKEW - now).total_seconds()
    if left >= 0:
        return Reschedule(left + 1.0, answered=True)
    ours = Render.objects.writer().filter(project=delivery.project)
    sent = ours.filter(remote_id=None, sent_at__lte=made_at + SKEW)
    if sent.filter(status=Status.PENDING).exists():
        return Reschedule(AGAIN, answered=True)
    # In this order: a row is first one that is being sent, and then one that has an id.
    if ours.filter(remote_id=said.id).exists():
        _replay(delivery)
        return Done(answered=True)
    # Locked: whoever erases one meanwhile comes later, and finds the document.
    submissions = list(lock(_submissions(delivery).defer("data", "answer")).order_by("pk"))
    if any(one.erased_at is not None for one in submissions):
        # Nothing of it is to be kept here.
        _give_up(delivery)
        return Done(answered=True)
    if _was_ours(ours, sent, said.status, template["template"], made_at):
        _give_up(delivery)
        return Done(answered=True)
    known = _said_of_form(submissions[0]) if submissions else template
    row = _insert(delivery, said, known, made_at, now)
    apply_one(row, state_of(said), Change.Cause.POLL)
    _submissions(delivery).filter(render=None).update(render=row)
    _replay(delivery)
    logger.info(
        "Document %d of project %r was made elsewhere: %s.",
        row.pk,
        row.project,
        row.remote_id,
        extra=about(row),
    )
    return Done(answered=True)


def _was_ours(
    ours: RenderQuerySet, sent: QuerySet[Render], status: str, template: str, made_at: datetime
) -> bool:
    """Whether it may be one that a row of ours has left: erased on its way, or tried once more."""
    erased = sent.filter(
        status=Status.CANCELLED,
        error_code=ErrorCode.ERASED_UNANSWERED,
        updated_at__gte=made_at - SKEW,
    )
    if erased.exists():
        return True
    retried = ours.filter(
        template=template,
        attempt__gt=1,
        requested_at__lte=made_at + SKEW,
        attempted_at__gte=made_at - SKEW,
    )
    return status in _ENDED_BADLY and retried.exists()


def _insert(
    delivery: WebhookDelivery,
    said: client.Render,
    known: dict[str, Any],
    made_at: datetime,
    now: datetime,
) -> Render:
    """Insert the row, and have Craftkit asked for as long as it is under way."""
    row = Render(
        project=delivery.project,
        key="",
        key_hash=adopted_key(said.id),
        remote_id=said.id,
        # Never one that is sent.
        status=Status.QUEUED,
        adopted_at=now,
        requested_at=made_at,
        attempted_at=made_at,
        accepted_at=made_at,
        **known,
    )
    there = insert_or_get(row, _BY_KEY, "project", "key_hash")
    if there is row:
        Job.objects.start(Job.Kind.RENDER, row.pk, row.project, row.priority)
    return there


def adopted_key(remote_id: uuid.UUID) -> str:
    """Return what an adopted document is known by: it has no key, and no key has this hash."""
    return hash_key(f"\0adopted {remote_id}")


_BY_KEY: Lookup[Render] = Lookup(lambda: Render.objects.all(), "project", "key_hash")


def _of_same(delivery: WebhookDelivery) -> QuerySet[WebhookDelivery]:
    """Return the webhooks about the same document that wait for it to be taken in."""
    return waiting().filter(project=delivery.project, about=delivery.about)


@in_transaction
def _replay(delivery: WebhookDelivery) -> None:
    """Have what was said of it applied, now that there is a row."""
    WebhookDelivery.objects.replay(list(_of_same(delivery).values_list("pk", flat=True)))
    WebhookDelivery.objects.pull_forward([(delivery.project, delivery.about)])


def _give_up(delivery: WebhookDelivery) -> None:
    _of_same(delivery).update(**(NO_PROBLEM.columns | {"error_code": ErrorCode.UNKNOWN_OBJECT}))
