"""Erasing a person: what is stored of documents, links, mails and signature requests goes.

What was sent ends first: links are to be revoked, signature requests to be cancelled, as after a
withdrawal. Then every column that may be about people is left empty (``erased.py``), and the files
go once that is committed. Rows stay, with their keys' hashes and Craftkit's ids: links without a
row are links that nobody can take back, and a key that was used makes no second document.

Rows are erased in batches, each in a transaction, with as many queries for many as for one. What
they are found by goes last, and at once: done once more after an interruption, it finds all of them
again, and tells of all of them.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from django_craftkit import credentials, tenants
from django_craftkit.bulk import parts
from django_craftkit.database import database, in_transaction, lock, update_many

from .arguments import check_user
from .bodies import TO_BE_APPLIED, UNUSED, drop_bodies
from .change import Change
from .default_key import renamed_from_labels
from .delivery import WebhookDelivery
from .erased import FOUND_BY, LEFT
from .erasing_batch import BATCH, ErasingBatch, Kind, Task, batches, model_of
from .erasing_forms import erase_forms, erase_late_forms, holding
from .erasure import Erasure
from .job import Job
from .leftovers import delete_erased
from .problems import ErrorCode
from .project import ProjectState

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Mapping

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model, QuerySet

    from .render import Render
    from .share import Share
    from .signature import SignatureRequest


def erase(
    renders: QuerySet[Render],
    *,
    addresses: Iterable[str],
    objects: Iterable[Model] = (),
    project: str | None,
    archive: bool,
    dry_run: bool,
    user: AbstractBaseUser | None,
    on_progress: Callable[[Erasure], object] | None,
) -> Erasure:
    """Erase documents, and what went to addresses; see ``RenderQuerySet.erase``."""
    task = Task(_checked(addresses), archive, dry_run, check_user(user))
    mine: Any = {}
    if project is not None:
        # A customer's who has left is erased when nobody knows its project any more.
        if not ProjectState.objects.writer().filter(project=project).exists():
            credentials.check_project(project)
        mine = {"project": project}
    using, tell = database(), on_progress or (lambda erasure: None)
    renders = renders.using(using).filter(**mine)
    result = Erasure(is_dry_run=dry_run)
    # First: they are found by what the documents are about.
    for erased in erase_forms(task, renders, objects, mine):
        result.add(erased)
        tell(result)
    for batch in batches(renders):
        result.add(_erase_documents(task, batch))
        tell(result)
    # Those of documents are counted with them, where nothing was written meanwhile.
    others = Q(render__in=renders.order_by().values("pk")) if dry_run else Q(pk__in=())
    if task.addresses:
        shares = model_of("Share").objects.using(using).filter(_is_to("recipient_email", task))
        for batch in batches(shares.filter(**mine).exclude(others)):
            result.add(_erase_shares(task, batch))
            tell(result)
        people = model_of("SignatureRecipient").objects.using(using).filter(_is_to("email", task))
        requests = model_of("SignatureRequest").objects.using(using)
        requests = requests.filter(pk__in=people.values("request"), **mine)
        for batch in batches(requests.exclude(others)):
            result.add(_erase_requests(task, batch))
            tell(result)
    gone = result.erased.get("FormSubmission", ())
    result.mentioned_in_forms = holding(task.addresses, gone, mine)
    ids = {one.remote_id for one in result.at_craftkit}
    unlinked = WebhookDelivery.objects.using(using).filter(about=None, status__in=UNUSED, **mine)
    # What is still to be applied is dropped by whoever applies it.
    dropped = drop_bodies(unlinked, ids, task.addresses, dry_run=dry_run)
    result.counts["WebhookDelivery"] += dropped
    if not dry_run:
        transaction.on_commit(tenants.bound(partial(_delete_files, result)), using=using)
    result.counts = +result.counts
    tell(result)
    if not dry_run:
        _forget(task, result)
    return result


def erase_late(row: Share | SignatureRequest) -> None:
    """Erase a row whose document was erased before it was committed, if this is one.

    It was requested in a transaction that was open meanwhile, which nobody else sees, and was never
    sent. Whoever ends it does this first.
    """
    if row.erased_at is None and row.render.erased_at is not None:
        _erase_documents(Task((), archive=False, dry_run=False, user=None), [row.render_id])


def _checked(addresses: Iterable[str]) -> tuple[str, ...]:
    if isinstance(addresses, str):
        raise TypeError("addresses= is one text: write a list of addresses.")
    found = []
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(f"An address is a {type(address).__name__}: write a str.")
        plain = address.strip()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", plain):
            raise ValueError("One of the addresses is none: write one like jane@example.com.")
        found.append(plain)
    return tuple(found)


def _is_to(column: str, task: Task) -> Q:
    found = Q(pk__in=())
    for address in task.addresses:
        found |= Q(**{f"{column}__iexact": address})
    return found


@in_transaction
def _forget(task: Task, result: Erasure) -> None:
    """Empty what the rows were found by: until now whoever is interrupted finds all of them again.

    Else the next call could not tell what the first one has erased, and Craftkit still has.
    """
    found_in = {"SignatureRecipient": ("request", "SignatureRequest")}
    for name in FOUND_BY:
        chosen_by, erased = found_in.get(name, ("pk", name))
        pks = result.erased.get(erased, [])
        left = {column: LEFT[name][column] for column in FOUND_BY[name]}
        is_to = _is_to("email", task) if name == "SignatureRecipient" else Q()
        for part in parts(pks, BATCH):
            some = Q(**{f"{chosen_by}__in": part})
            model_of(name).objects.writer().filter(some, is_to).update(**left)


@in_transaction
def _erase_documents(task: Task, pks: list[int]) -> Erasure:
    """Erase documents, with all that was made of them, in one transaction."""
    batch = ErasingBatch(task)
    renders = batch.rows("Render", pk__in=pks)
    shares = batch.rows("Share", render__in=pks)
    requests = batch.rows("SignatureRequest", render__in=pks)
    if not task.dry_run:
        # Whoever sends something of a document, or applies what Craftkit says, locks it first.
        list(lock(renders).order_by("pk").values_list("pk"))
        model_of("Render").objects.withdraw_all(pks, user=task.user)
        model_of("Share").objects.revoke_all(pks, user=task.user)
        model_of("SignatureRequest").objects.cancel_all(pks, user=task.user)
    remote_ids = batch.note_remote("document", renders)
    remote_ids += batch.note_remote("signature request", requests)
    batch.erase_history(Change.Kind.RENDER, "Render", renders)
    batch.erase_mentions(pks)
    batch.erase_history(Change.Kind.SHARE, "Share", shares)
    batch.erase_history(Change.Kind.SIGNATURE, "SignatureRequest", requests)
    events = batch.rows("EngagementEvent", render__in=pks)
    batch.erase_history(Change.Kind.ENGAGEMENT, "EngagementEvent", events)
    if not task.dry_run:
        # What Craftkit was not told of yet it is told of no more.
        events.to_be_told().delete()
    batch.blank("EngagementEvent", events.filter(_holds_people()))
    sent = list(requests.values_list("pk", flat=True))
    people = batch.rows("SignatureRecipient", request__in=sent)
    batch.blank("SignatureRecipient", people.exclude(first_name="", last_name="", email=""))
    batch.erase_files((Kind.RENDER,), renders)
    batch.note_files(requests)
    batch.erase_bodies(remote_ids)
    batch.erase_earlier_bodies(renders)
    if not task.dry_run:
        update_many(renamed_from_labels(renders), ["key_hash"])
    _end_unknown(batch, shares)
    erase_late_forms(batch, pks)
    for name, rows in (("Render", renders), ("Share", shares), ("SignatureRequest", requests)):
        batch.erase_log(name, rows)
        batch.erase(name, rows, but=FOUND_BY["Render"])
    return batch.result


@in_transaction
def _erase_shares(task: Task, pks: list[int]) -> Erasure:
    """Erase links and mails to an address, of documents that stay, in one transaction."""
    batch, status = ErasingBatch(task), model_of("Share").Status
    if not task.dry_run:
        model_of("Share").objects.revoke_chosen(pks, user=task.user)
    is_settling = Q(status=status.UNKNOWN) & ~Q(error_code=ErrorCode.MAIL_UNPROVEN)
    waits = batch.rows("Share", pk__in=pks).filter(
        Q(status=status.PENDING) | is_settling,
        sending_since__isnull=False,
        remote_id=None,
    )
    # The answer tells which link it is, and until then the address does.
    pks = _without(batch, "Share", waits, pks)
    shares = batch.rows("Share", pk__in=pks)
    documents = dict(shares.values_list("render", "render__remote_id"))
    batch.result.mentioned_in = sorted(documents)
    batch.erase_history(Change.Kind.SHARE, "Share", shares)
    links = batch.note_remote("link", shares)
    _end_unknown(batch, shares)
    batch.erase_log("Share", shares)
    batch.erase("Share", shares, but=FOUND_BY["Share"])
    _erase_seen(batch, documents, links)
    return batch.result


def erase_seen(render: Render, link: uuid.UUID) -> None:
    """Erase what is stored of who has opened a link, inside a transaction.

    It turned out to be that of a mail that was erased before anybody knew the link.
    """
    batch = ErasingBatch(Task((), archive=False, dry_run=False, user=None))
    _erase_seen(batch, {render.pk: render.remote_id}, [link])


def _erase_seen(
    batch: ErasingBatch, documents: Mapping[int, uuid.UUID | None], links: list[uuid.UUID]
) -> None:
    """Erase what is stored of who has opened links, of these documents and their Craftkit's ids."""
    events = batch.rows("EngagementEvent", render__in=list(documents), share_remote_id__in=links)
    batch.erase_history(Change.Kind.ENGAGEMENT, "EngagementEvent", events)
    batch.blank("EngagementEvent", events.filter(_holds_people()))
    about = [one for one in documents.values() if one is not None]
    deliveries = WebhookDelivery.objects.writer().filter(about__in=about)
    deliveries = deliveries.exclude(status__in=TO_BE_APPLIED)
    batch.result.counts["WebhookDelivery"] += drop_bodies(
        deliveries, links, batch.task.addresses, dry_run=batch.task.dry_run
    )


@in_transaction
def _erase_requests(task: Task, pks: list[int]) -> Erasure:
    """Erase signature requests to an address, of documents that stay, in one transaction.

    Others who are to sign them keep their names.
    """
    batch = ErasingBatch(task)
    if not task.dry_run:
        model_of("SignatureRequest").objects.cancel_chosen(pks, user=task.user)
    waits = batch.rows("SignatureRequest", pk__in=pks).filter(
        status=model_of("SignatureRequest").Status.PENDING, sent_at__isnull=False, remote_id=None
    )
    # The answer tells which request it is, and until then the people do.
    pks = _without(batch, "SignatureRequest", waits, pks)
    requests = batch.rows("SignatureRequest", pk__in=pks)
    batch.result.mentioned_in = sorted(set(requests.values_list("render", flat=True)))
    remote_ids = batch.note_remote("signature request", requests)
    batch.erase_history(Change.Kind.SIGNATURE, "SignatureRequest", requests)
    fresh = list(requests.filter(erased_at=None).values_list("pk", flat=True))
    people = batch.rows("SignatureRecipient", request__in=fresh).filter(_is_to("email", task))
    batch.blank("SignatureRecipient", people, but=FOUND_BY["SignatureRecipient"])
    batch.note_files(requests)
    batch.erase_bodies(remote_ids)
    batch.erase_log("SignatureRequest", requests)
    batch.erase("SignatureRequest", requests)
    return batch.result


def _end_unknown(batch: ErasingBatch, shares: QuerySet[Any]) -> None:
    """Have nobody asked any more whether a mail was sent."""
    if not batch.task.dry_run:
        unknown = shares.filter(status=model_of("Share").Status.UNKNOWN)
        Job.objects.schedule_for(Job.Kind.SHARE, unknown.only("project"))


def _without(batch: ErasingBatch, name: str, waits: QuerySet[Any], pks: list[int]) -> list[int]:
    waiting = list(waits.values_list("pk", flat=True))
    if waiting:
        batch.result.under_way[name] = waiting
    return [pk for pk in pks if pk not in waiting]


def _holds_people() -> Q:
    is_told = Q(ip_address__isnull=False) | Q(metadata__isnull=False)
    return is_told | ~Q(user_agent="")


def _delete_files(result: Erasure) -> None:
    _deleted, result.undeleted = delete_erased()
