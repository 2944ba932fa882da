"""The inbox: webhooks as they came, which is also the queue of those to be processed."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import connections, models
from django.utils.translation import gettext_lazy as _

from django_craftkit import bulk, clock, dispatch
from django_craftkit.database import database, in_transaction, update_many
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.privacy import kept_body
from django_craftkit.statements import insert_values
from django_craftkit.twins import async_twin

from .claims import Leased, LeasedQuerySet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .columns import NullableMoment, NullableUUID

#: For delivery ids that are no UUID, and for deliveries without one.
_NAMESPACE = uuid.UUID("5b0f9ad2-6a3c-4e0e-9f52-6f2ad4c8f6a4")

#: What processing a delivery may change.
_COLUMNS = (
    "status",
    "event",
    "about",
    "error",
    "error_code",
    "due_at",
    "leased_until",
    "lease_token",
    "processed_at",
)


if TYPE_CHECKING:

    class _Manager(LeasedQuerySet, models.Manager["WebhookDelivery"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(LeasedQuerySet)


class WebhookDeliveryManager(_Manager):
    def store(self, project: str, delivery_id: str, body: bytes) -> None:
        """Keep a verified delivery with one INSERT that ignores a known id; wake the loop."""
        digest = hashlib.sha256(body).hexdigest()
        connection = connections[database()]
        values = {
            "project": project,
            "delivery_id": _uuid(delivery_id or digest),
            "body": kept_body(body),
            "body_hash": digest,
        }
        # Both are compared with the database's clock. The other columns are its to fill.
        moments = ("received_at", "due_at")
        computed: dict[str, str] = {}
        if clock_sql := clock.moment_sql(connection):
            computed = dict.fromkeys(moments, clock_sql)
        else:
            values |= dict.fromkeys(moments, clock.database_now())
        insert_values(self.model, connection, values, computed, wants_key=False)
        dispatch.wake_on_commit(connection.alias)

    def lock_leased(self, batch: Sequence[WebhookDelivery]) -> list[WebhookDelivery]:
        """Lock those of a claimed batch that nobody has taken over since, and return them."""
        rows = self.still_leased(batch).select_for_update().order_by("pk")
        mine = set(rows.values_list("pk", flat=True))
        return [delivery for delivery in batch if delivery.pk in mine]

    def release(self, ended: Sequence[WebhookDelivery]) -> None:
        """Write how locked deliveries ended, with one query."""
        update_many(ended, _COLUMNS)

    @in_transaction
    def replay(self, pks: Collection[int]) -> int:
        """Have deliveries processed once more; return how many: those whose body is kept."""
        replayed = (
            self.writer()
            .filter(pk__in=pks, leased_until=None)
            .exclude(body=b"")
            .update(
                status=WebhookDelivery.Status.RECEIVED,
                attempts=0,
                due_at=clock.database_moment(),
                error="",
                error_code="",
                processed_at=None,
            )
        )
        dispatch.wake_on_commit(database())
        return replayed

    def pull_forward(self, keys: Iterable[tuple[str, uuid.UUID | None]]) -> None:
        """Make the deliveries due that came before their object was known here.

        ``keys`` are the projects and Craftkit's ids of such objects.
        """
        by_project: dict[str, list[uuid.UUID | None]] = {}
        for project, about in keys:
            by_project.setdefault(project, []).append(about)
        waiting = self.writer().filter(due_at__isnull=False, leased_until=None)
        for project, ids in by_project.items():
            rows = waiting.filter(project=project, about__in=ids)
            rows.update(due_at=clock.database_moment())


def _uuid(delivery_id: str) -> uuid.UUID:
    try:
        known = uuid.UUID(delivery_id)
    except ValueError:
        return uuid.uuid5(_NAMESPACE, delivery_id)
    # MariaDB's type takes no version that there isn't.
    return known if known.version else uuid.uuid5(_NAMESPACE, delivery_id)


class WebhookDelivery(Leased):
    """One webhook whose signature was right. Done when processed, not when stored."""

    class Status(models.TextChoices):
        RECEIVED = "received", _("received")
        PROCESSED = "processed", _("processed")
        IGNORED = "ignored", _("ignored")
        FAILED = "failed", _("failed, will be tried again")
        ABANDONED = "abandoned", _("abandoned")

    project = models.CharField(_("project"), max_length=64)
    delivery_id = models.UUIDField(_("delivery id"))
    event = models.CharField(_("event"), max_length=64, blank=True, default="", db_default="")
    #: Craftkit's id of what the event is about.
    about: NullableUUID = models.UUIDField(
        _("Craftkit's id of its object"), null=True, blank=True, db_index=True
    )
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=Status,
        default=Status.RECEIVED,
        db_default=Status.RECEIVED.value,
    )
    body = models.BinaryField(_("body"))
    body_hash = models.CharField(_("SHA-256 of the body"), max_length=64)
    received_at = models.DateTimeField(_("received at"), default=clock.now)
    processed_at: NullableMoment = models.DateTimeField(_("processed at"), null=True, blank=True)

    objects: ClassVar[WebhookDeliveryManager] = WebhookDeliveryManager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        permissions = [("replay_webhookdelivery", _("Can work a webhook delivery off again"))]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery_id", "project"], name="craftkit_delivery_known"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="craftkit_delivery_due"),
            models.Index(fields=["status", "-id"], name="craftkit_delivery_status"),
            models.Index(fields=["event", "-id"], name="craftkit_delivery_event"),
            models.Index(fields=["project", "-id"], name="craftkit_delivery_project"),
        ]

    @property
    def is_body_kept(self) -> bool:
        """Whether it can be read and processed again; ``DELIVERY_KEEP_DAYS`` drops bodies."""
        return bool(self.body)

    @alters_data
    def replay(self) -> bool:
        """Have it processed once more; ``False`` where its body is gone, or a worker has it."""
        return bool(WebhookDelivery.objects.replay([self.pk]))

    areplay = async_twin(replay)

    def ended(self, **values: Any) -> WebhookDelivery:
        """Return a copy to be released, with these values."""
        return bulk.like(self, leased_until=None, lease_token=None, **values)

    def __str__(self) -> str:
        return one_line(f"{self.event or _('webhook')} {self.delivery_id}")
