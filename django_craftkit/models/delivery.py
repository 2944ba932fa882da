"""The inbox: webhooks as they came, which is also the queue of those to be worked off."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models.constants import OnConflict
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.database import database, upsert

from .work import Leased, LeasedQuerySet

if TYPE_CHECKING:
    from collections.abc import Sequence

#: For delivery ids that are no UUID, and for deliveries without one.
_NAMESPACE = uuid.UUID("5b0f9ad2-6a3c-4e0e-9f52-6f2ad4c8f6a4")


#: What working a delivery off may change.
_COLUMNS = (
    "status",
    "event",
    "about",
    "error",
    "due_at",
    "leased_until",
    "lease_token",
    "processed_at",
)


class WebhookDeliveryQuerySet(LeasedQuerySet):
    def store(self, project: str, delivery_id: str, body: bytes) -> None:
        """Keep a verified delivery with one INSERT that ignores a known id."""
        digest = hashlib.sha256(body).hexdigest()
        delivery = self.model(
            project=project,
            delivery_id=_uuid(delivery_id or digest),
            body=body,
            body_hash=digest,
            due_at=clock.now(),
        )
        # bulk_create(ignore_conflicts=True) would add BEGIN and COMMIT to each webhook.
        self._insert(  # type: ignore[attr-defined]
            [delivery],
            fields=[f for f in self.model._meta.concrete_fields if not f.primary_key],
            using=database(),
            on_conflict=OnConflict.IGNORE,
        )

    def held(self, batch: Sequence[WebhookDelivery]) -> list[WebhookDelivery]:
        """Lock those of a claimed batch that nobody has taken over since, and return them."""
        tokens = {delivery.lease_token for delivery in batch}
        mine = set(
            self.using(database())
            .filter(pk__in=[delivery.pk for delivery in batch], lease_token__in=tokens)
            .select_for_update()
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        return [delivery for delivery in batch if delivery.pk in mine]

    def put_down(self, ended: Sequence[WebhookDelivery]) -> None:
        """Write how locked deliveries ended, with one query."""
        upsert(ended, _COLUMNS)

    def pull_forward(self, project: str, about: uuid.UUID | None) -> None:
        """Make the deliveries due that came before their object was known here."""
        self.using(database()).filter(
            project=project, about=about, due_at__isnull=False, leased_until=None
        ).update(due_at=clock.now())


def _uuid(delivery_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(delivery_id)
    except ValueError:
        return uuid.uuid5(_NAMESPACE, delivery_id)


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
    event = models.CharField(_("event"), max_length=64, blank=True)
    #: Craftkit's id of what the event is about.
    about = models.UUIDField(_("about"), null=True, blank=True, db_index=True)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.RECEIVED)
    body = models.BinaryField(_("body"))
    body_hash = models.CharField(_("SHA-256 of the body"), max_length=64)
    error = models.TextField(_("error"), blank=True)
    received_at = models.DateTimeField(_("received at"), default=clock.now)
    processed_at = models.DateTimeField(_("processed at"), null=True, blank=True)

    objects: ClassVar[models.Manager[WebhookDelivery]] = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "delivery_id"], name="craftkit_delivery_known"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-received_at"], name="craftkit_delivery_status"),
            models.Index(fields=["-received_at", "-id"], name="craftkit_delivery_newest"),
        ]

    def ended(self, **values: Any) -> WebhookDelivery:
        """Return a copy to be put down: out of hand, and without the body, which stays."""
        names = {field.attname for field in self._meta.concrete_fields} - {"body"}
        same = {name: getattr(self, name) for name in names}
        return type(self)(
            **{**same, "body": b"", "leased_until": None, "lease_token": None, **values}
        )

    def __str__(self) -> str:
        return f"{self.event or _('webhook')} {self.delivery_id}"
