"""Erasing a person: what is stored of documents, links, mails and signature requests goes.

What was sent ends first: links are to be revoked, signature requests to be cancelled, as after a
withdrawal. Then every column that may be about people is left empty (``erased.py``), and the files
go once that is committed. Rows stay, with their keys' hashes and Craftkit's ids: links without a
row are links that nobody can take back, and a key that was used makes no second document.

Rows are erased in batches, each in a transaction, with as many queries for many as for one. Done
once more, it goes on where it was interrupted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import router, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from django_craftkit import bulk, clock, conf
from django_craftkit.database import database, in_transaction, lock, update_many

from .archive import ArchivedFile, ArchiveWrite
from .arguments import check_user
from .change import Change
from .delivery import WebhookDelivery
from .erased import LEFT, NAMING
from .erasing_forms import erase_forms, holding
from .erasure import AtCraftkit, Erasure
from .job import Job
from .leftovers import delete_erased
from .problems import ErrorCode

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Iterable, Iterator

    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import Model, QuerySet

    from .render import Render

#: Rows of a transaction.
BATCH = 500
#: Webhooks whose bodies are in memory at a time.
BODIES = 100

Kind = ArchivedFile.Kind
SIGNED = (Kind.SIGNED, Kind.CERTIFICATE)
#: Webhooks that are a worker's: it has them locked first, and leaves nothing of what was erased.
TO_BE_APPLIED = (WebhookDelivery.Status.RECEIVED, WebhookDelivery.Status.FAILED)

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: A name that this package has made, whatever folder or letters a storage has added.
_OURS = re.compile(
    r"(?:^|/)craftkit/[^/]+/(?:render|signed|certificate)/[-0-9a-f]{36}/[0-9a-f]{32}"
)


@dataclass(frozen=True)
class _Task:
    """What every batch has to know."""

    addresses: tuple[str, ...]
    archive: bool
    dry_run: bool
    user: Any


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
    task = _Task(_checked(addresses), archive, dry_run, check_user(user))
    mine: Any = {}
    if project is not None:
        conf.project(project)
        mine = {"project": project}
    using, tell = database(), on_progress or (lambda erasure: None)
    renders = renders.using(using).filter(**mine)
    result = Erasure(is_dry_run=dry_run)
    # First: they are found by what the documents are about.
    for erased in erase_forms(partial(_Batch, task), renders, objects, mine):
        result.add(erased)
        tell(result)
    for batch in _batches(renders):
        result.add(_erase_documents(task, batch))
        tell(result)
    # Those of documents are counted with them, where nothing was written meanwhile.
    others = Q(render__in=renders.order_by().values("pk")) if dry_run else Q(pk__in=())
    if task.addresses:
        shares = _model("Share").objects.using(using).filter(_is_to("recipient_email", task))
        for batch in _batches(shares.filter(**mine).exclude(others)):
            result.add(_erase_shares(task, batch))
            tell(result)
        people = _model("SignatureRecipient").objects.using(using).filter(_is_to("email", task))
        requests = _model("SignatureRequest").objects.using(using)
        requests = requests.filter(pk__in=people.values("request"), **mine)
        for batch in _batches(requests.exclude(others)):
            result.add(_erase_requests(task, batch))
            tell(result)
    gone = result.erased.get("FormSubmission", ())
    result.mentioned_in_forms = holding(task.addresses, gone, mine)
    ids = {str(one.remote_id).encode() for one in result.at_craftkit}
    unlinked = WebhookDelivery.objects.using(using).filter(about=None, **mine)
    # What is still to be applied is dropped by whoever applies it.
    over = (WebhookDelivery.Status.IGNORED, WebhookDelivery.Status.ABANDONED)
    result.counts["WebhookDelivery"] += _drop_bodies(task, unlinked.filter(status__in=over), ids)
    if not dry_run:
        transaction.on_commit(partial(_delete_files, result), using=using)
    result.counts = +result.counts
    tell(result)
    return result


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


def _is_to(column: str, task: _Task) -> Q:
    found = Q(pk__in=())
    for address in task.addresses:
        found |= Q(**{f"{column}__iexact": address})
    return found


def _batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """Yield the primary keys of rows; what is erased meanwhile is passed over."""
    return bulk.in_batches(rows.values_list("pk", flat=True), BATCH)


def _model(name: str) -> Any:
    # By its name: the models lie above.
    return apps.get_model("craftkit", name)


class _Batch:
    """Rows of each model that are erased in one transaction, or counted."""

    def __init__(self, task: _Task) -> None:
        self.task, self.result = task, Erasure(is_dry_run=task.dry_run)
        self.now = clock.now()
        self._models = {
            name: _model(name).objects.writer()
            for name in (
                "Render",
                "Share",
                "SignatureRequest",
                "SignatureRecipient",
                "EngagementEvent",
            )
        }

    def rows(self, name: str, **about: Any) -> Any:
        """Return rows of a model; none where it is not said which."""
        return self._models[name].filter(**about) if about else self._models[name].none()

    def erase(self, name: str, rows: QuerySet[Any]) -> None:
        """Leave nothing in the columns of these mirrored rows, and say which they were."""
        fresh = rows.filter(erased_at=None)
        pks = list(fresh.values_list("pk", flat=True))
        self.result.erased.setdefault(name, []).extend(pks)
        self.result.counts[name] += len(pks)
        if not self.task.dry_run:
            fresh.update(erased_at=self.now)
            rows.update(**LEFT[name])

    def blank(self, name: str, rows: QuerySet[Any]) -> None:
        """Leave nothing in the columns of these rows, and count them."""
        if self.task.dry_run:
            self.result.counts[name] += rows.count()
        else:
            self.result.counts[name] += rows.update(**LEFT[name])

    def erase_history(self, kind: str, model: str, rows: QuerySet[Any]) -> None:
        """Erase what the history, and jobs, say in words of these rows."""
        kinds = [one for one in Job.Kind if one.model_name == model]
        # By their keys: for a query within an UPDATE, MariaDB looks at every row of the table.
        for part in _batches(rows):
            changes = Change.objects.writer().filter(bulk.among("object_id", part), kind=kind)
            self.result.counts["Change"] += self._write(changes.exclude(note=""), note="")
            jobs = Job.objects.writer().filter(bulk.among("object_id", part), kind__in=kinds)
            self.blank("Job", jobs.exclude(error=""))
            if not self.task.dry_run:
                _blank_receivers(changes.exclude(receivers__isnull=True).exclude(receivers={}))

    def erase_mentions(self, pks: list[int]) -> None:
        """Erase the keys of documents from the history of those that they supersede, or by which.

        The lines of one that was superseded name the key of the other, and the other way round.
        """
        related = Q(supersedes__in=pks) | Q(successors__in=pks)
        near = self._models["Render"].filter(related).exclude(pk__in=pks)
        about = list(near.order_by().values_list("pk", flat=True).distinct())
        lines = Change.objects.writer().filter(bulk.among("object_id", about), kind="render")
        said = lines.filter(to_status__in=NAMING).exclude(note="")
        self.result.counts["Change"] += self._write(said, note="")

    def _write(self, rows: QuerySet[Any], **values: Any) -> int:
        return rows.count() if self.task.dry_run else rows.update(**values)

    def erase_log(self, model: str, rows: QuerySet[Any]) -> None:
        """Erase how the admin's log calls these rows, and what it says was done."""
        if not apps.is_installed("django.contrib.admin"):
            return
        entries: Any = apps.get_model("admin", "LogEntry")
        using = router.db_for_write(entries)
        kind = ContentType.objects.db_manager(using).get_for_model(_model(model))
        for some in _batches(rows):
            mine = entries.objects.using(using).filter(
                content_type=kind, object_id__in=list(map(str, some))
            )
            # A page links to a row by what it is called.
            left = {"object_repr": Concat(Value("#"), F("object_id")), "change_message": ""}
            self.result.counts["LogEntry"] += self._write(mine.exclude(**left), **left)

    def erase_files(self, kinds: Collection[Kind], owners: QuerySet[Any]) -> None:
        """Have the files of rows deleted after the commit, and none be fetched any more."""
        about = {"kind__in": kinds, "object_id__in": owners.order_by().values("pk")}
        files = ArchivedFile.objects.writer().filter(**about)
        found = list(files.exclude(name=""))
        ours = [file for file in found if _OURS.search(file.name)]
        self.result.foreign_files += [file.pk for file in found if file not in ours]
        self.result.counts["ArchivedFile"] += len(ours)
        if self.task.dry_run:
            return
        ArchiveWrite.objects.writer().bulk_create(
            ArchiveWrite(kind=one.kind, object_id=one.object_id, name=one.name) for one in ours
        )
        ArchivedFile.objects.writer().filter(pk__in=[one.pk for one in ours]).update(
            **LEFT["ArchivedFile"]
        )
        # A worker may be fetching one: where it comes to vouch for it, it finds that it was erased.
        ArchivedFile.objects.writer().bulk_create(
            (
                ArchivedFile(kind=kind, object_id=pk, size=0, **LEFT["ArchivedFile"])
                for pk in owners.values_list("pk", flat=True)
                for kind in kinds
            ),
            ignore_conflicts=True,
            batch_size=BATCH,
        )

    def erase_bodies(self, remote_ids: Collection[uuid.UUID]) -> None:
        """Drop the bodies of webhooks about these of Craftkit's objects."""
        deliveries = WebhookDelivery.objects.writer().filter(bulk.among("about", remote_ids))
        over = deliveries.exclude(status__in=TO_BE_APPLIED).exclude(body=b"", error="")
        self.blank("WebhookDelivery", over)

    def note_remote(self, what: str, rows: QuerySet[Any]) -> list[uuid.UUID]:
        """Note what Craftkit has of these rows; return its ids."""
        known = list(rows.exclude(remote_id=None).values_list("project", "remote_id"))
        self.result.at_craftkit += [AtCraftkit(project, what, one) for project, one in known]
        return [one for _project, one in known]

    def note_files(self, requests: QuerySet[Any]) -> None:
        """Note which files of signature requests are kept, or erase them."""
        if self.task.archive:
            self.erase_files(SIGNED, requests)
            return
        files = ArchivedFile.objects.writer().exclude(name="")
        files = files.filter(kind__in=SIGNED, object_id__in=requests.order_by().values("pk"))
        self.result.kept_files += files.values_list("pk", flat=True)


@in_transaction
def _erase_documents(task: _Task, pks: list[int]) -> Erasure:
    """Erase documents, with all that was made of them, in one transaction."""
    batch = _Batch(task)
    renders = batch.rows("Render", pk__in=pks)
    shares = batch.rows("Share", render__in=pks)
    requests = batch.rows("SignatureRequest", render__in=pks)
    if not task.dry_run:
        # Whoever sends something of a document, or applies what Craftkit says, locks it first.
        list(lock(renders).order_by("pk").values_list("pk"))
        _model("Render").objects.withdraw_all(pks, user=task.user)
        _model("Share").objects.revoke_all(pks, user=task.user)
        _model("SignatureRequest").objects.cancel_all(pks, user=task.user)
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
    _erase_mirrored(batch, renders, shares, requests)
    return batch.result


@in_transaction
def _erase_shares(task: _Task, pks: list[int]) -> Erasure:
    """Erase links and mails to an address, of documents that stay, in one transaction."""
    batch, status = _Batch(task), _model("Share").Status
    if not task.dry_run:
        _model("Share").objects.revoke_chosen(pks, user=task.user)
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
    events = batch.rows("EngagementEvent", render__in=list(documents), share_remote_id__in=links)
    batch.erase_history(Change.Kind.ENGAGEMENT, "EngagementEvent", events)
    batch.blank("EngagementEvent", events.filter(_holds_people()))
    _erase_mirrored(batch, batch.rows("Render"), shares, batch.rows("SignatureRequest"))
    about = [one for one in documents.values() if one is not None]
    deliveries = WebhookDelivery.objects.writer().filter(about__in=about)
    deliveries = deliveries.exclude(status__in=TO_BE_APPLIED)
    ids = {str(link).encode() for link in links}
    batch.result.counts["WebhookDelivery"] += _drop_bodies(task, deliveries, ids)
    return batch.result


@in_transaction
def _erase_requests(task: _Task, pks: list[int]) -> Erasure:
    """Erase signature requests to an address, of documents that stay, in one transaction.

    Others who are to sign them keep their names.
    """
    batch = _Batch(task)
    if not task.dry_run:
        _model("SignatureRequest").objects.cancel_chosen(pks, user=task.user)
    waits = batch.rows("SignatureRequest", pk__in=pks).filter(
        status=_model("SignatureRequest").Status.PENDING, sent_at__isnull=False, remote_id=None
    )
    # The answer tells which request it is, and until then the people do.
    pks = _without(batch, "SignatureRequest", waits, pks)
    requests = batch.rows("SignatureRequest", pk__in=pks)
    batch.result.mentioned_in = sorted(set(requests.values_list("render", flat=True)))
    remote_ids = batch.note_remote("signature request", requests)
    batch.erase_history(Change.Kind.SIGNATURE, "SignatureRequest", requests)
    people = batch.rows("SignatureRecipient", request__in=pks).filter(_is_to("email", task))
    batch.blank("SignatureRecipient", people)
    batch.note_files(requests)
    batch.erase_bodies(remote_ids)
    _erase_mirrored(batch, batch.rows("Render"), batch.rows("Share"), requests)
    return batch.result


def _erase_mirrored(
    batch: _Batch, renders: QuerySet[Any], shares: QuerySet[Any], requests: QuerySet[Any]
) -> None:
    """Erase mirrored rows themselves, at last."""
    if not batch.task.dry_run:
        # Nobody is asked any more whether such a mail was sent.
        unknown = shares.filter(status=_model("Share").Status.UNKNOWN)
        Job.objects.schedule_for(Job.Kind.SHARE, unknown.only("project"))
    for name, rows in (("Render", renders), ("Share", shares), ("SignatureRequest", requests)):
        batch.erase_log(name, rows)
        batch.erase(name, rows)


def _without(batch: _Batch, name: str, waits: QuerySet[Any], pks: list[int]) -> list[int]:
    waiting = list(waits.values_list("pk", flat=True))
    if waiting:
        batch.result.under_way[name] = waiting
    return [pk for pk in pks if pk not in waiting]


def _holds_people() -> Q:
    is_told = Q(ip_address__isnull=False) | Q(metadata__isnull=False)
    return is_told | ~Q(user_agent="")


def _blank_receivers(changes: QuerySet[Change]) -> None:
    """Leave of receivers that failed only which they are, and how often they were called."""
    for part in bulk.in_batches(changes.only("receivers"), BATCH):
        for change in part:
            change.receivers = {
                name: {**entry, "error": ""} for name, entry in (change.receivers or {}).items()
            }
        update_many(part, ["receivers"])


def _drop_bodies(task: _Task, deliveries: QuerySet[Any], ids: Collection[bytes]) -> int:
    """Drop the bodies of webhooks that name one of these ids, or an address; return how many.

    Bodies are no text that a database could look into: they are read, some at a time.
    """
    addresses = [address.lower().encode() for address in task.addresses]
    if not (addresses or ids):
        return 0
    number = 0
    for part in bulk.in_batches(deliveries.exclude(body=b"").only("body"), BODIES):
        found = [one.pk for one in part if _names(bytes(one.body).lower(), addresses, ids)]
        number += len(found)
        if found and not task.dry_run:
            left = WebhookDelivery.objects.writer().filter(pk__in=found)
            left.update(**LEFT["WebhookDelivery"])
    return number


def _names(body: bytes, addresses: Collection[bytes], ids: Collection[bytes]) -> bool:
    is_about = any(one in ids for one in _UUID.findall(body))
    return is_about or any(address in body for address in addresses)


def _delete_files(result: Erasure) -> None:
    _deleted, result.undeleted = delete_erased()
