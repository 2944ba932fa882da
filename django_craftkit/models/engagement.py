"""Who opened a document, when and how: as Craftkit counts it, with what this site tells it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.database import database, in_transaction
from django_craftkit.log import one_line

from .arguments import check_data
from .columns import NullableUUID, RowKey
from .job import Job
from .render import Render
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Iterable


class EngagementEventQuerySet(RowQuerySet["EngagementEvent"]):
    def known(self) -> Self:
        """Return the events that Craftkit has counted."""
        return self.filter(event_id__isnull=False)

    def to_be_told(self) -> Self:
        """Return what this site has recorded and Craftkit does not know yet, oldest first."""
        return self.filter(event_id=None).order_by("pk")

    def counted(self) -> dict[int, dict[str, int]]:
        """Return how many events of each kind there are, by document."""
        counts: dict[int, dict[str, int]] = {}
        for render, kind, number in self.known()._count_by("render", "type"):
            counts.setdefault(render, {})[kind] = number
        return counts

    def views_of(self, share_remote_ids: Iterable[Any]) -> dict[Any, int]:
        """Return how often its recipients have opened each link."""
        views = self.filter(
            share_remote_id__in=list(share_remote_ids),
            type=EngagementEvent.Type.VIEWED,
            actor=EngagementEvent.Actor.RECIPIENT,
        )
        return dict(views._count_by("share_remote_id"))

    def per_day(self, today: date, days: int) -> list[tuple[date, str, int]]:
        """Return (day, type, number) for the days up to ``today``, in the reader's time zone."""
        zone = timezone.get_current_timezone() if settings.USE_TZ else None
        starts = [
            datetime.combine(today - timedelta(days=ago), time.min, zone) for ago in range(days)
        ]
        # Not TruncDate: a MariaDB without time zone tables says NULL, and most are without.
        ago = Case(
            *(When(occurred_at__gte=start, then=ago) for ago, start in enumerate(starts)),
            output_field=models.IntegerField(),
        )
        rows = self.known().filter(occurred_at__gte=starts[-1]).annotate(ago=ago)
        return [
            (today - timedelta(days=ago), kind, number)
            for ago, kind, number in rows._count_by("ago", "type")
        ]

    def _count_by(self, *names: str) -> Any:
        return self.order_by().values_list(*names).annotate(number=models.Count("*"))


if TYPE_CHECKING:

    class _Manager(EngagementEventQuerySet, models.Manager["EngagementEvent"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(EngagementEventQuerySet)


class EngagementEventManager(_Manager):
    #: The document, of the manager of one's own.
    instance: Render

    def request(self, kind: str, metadata: dict[str, Any] | None) -> None:
        """Tell Craftkit of an event of a document, by its ``events``; see ``Render.record``."""
        render = self.instance
        if kind not in RECORDED_HERE:
            raise ValueError(f"This site can record {', '.join(RECORDED_HERE)}, not {kind!r}.")
        if render.remote_id is None:
            raise ValueError(f"{render} is {render.status}: nobody can have seen it.")
        known = None if metadata is None else check_data(metadata, "metadata")
        event = EngagementEvent(
            project=render.project, render=render, type=kind, actor="partner", metadata=known
        )
        self._store(event)

    @in_transaction
    def _store(self, event: EngagementEvent) -> None:
        # Anew where this transaction is run again.
        event.pk = None
        event.save(using=database(), force_insert=True)
        Job.objects.request(Job.Kind.ENGAGEMENT, [event.render_id], event.project, priority=None)


class EngagementEvent(models.Model):
    """One event of a document: opened, downloaded, printed, mailed, shared, revoked."""

    class Type(models.TextChoices):
        VIEWED = "viewed", _("opened")
        DOWNLOADED = "downloaded", _("downloaded")
        PRINTED = "printed", _("printed")
        EMAIL_OPENED = "email_opened", _("e-mail opened")
        EMAIL_SENT = "email_sent", _("e-mail sent")
        SHARE_CREATED = "share_created", _("link made")
        SHARE_REVOKED = "share_revoked", _("link revoked")

    class Actor(models.TextChoices):
        RECIPIENT = "recipient", _("recipient")
        PARTNER = "partner", _("this site")
        SYSTEM = "system", _("Craftkit")

    project = models.CharField(_("project"), max_length=64)
    #: Craftkit's id of the event; ``None`` for what this site has recorded and is still to tell.
    event_id: NullableUUID = models.UUIDField(_("Craftkit's id"), null=True, blank=True)
    render: RowKey[Render, Render] = RowKey(
        Render,
        on_delete=models.CASCADE,
        db_index=False,  # the indexes below begin with it
        related_name="events",
        verbose_name=_("document"),
    )
    #: Craftkit's id of the link it came by; the link may become known here later, or never.
    share_remote_id: NullableUUID = models.UUIDField(_("link"), null=True, blank=True)
    # A kind or an actor that is new to us is kept as it is.
    type = models.CharField(_("event"), max_length=32, choices=Type)
    actor = models.CharField(_("by"), max_length=32, choices=Actor)
    #: What ``CRAFTKIT["ENGAGEMENT_STORE_IP"]`` leaves of it.
    ip_address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    user_agent = models.CharField(_("browser"), max_length=512, blank=True)
    metadata = models.JSONField(_("further data"), null=True, blank=True)
    occurred_at = models.DateTimeField(_("at"), default=clock.now)

    objects: ClassVar[EngagementEventManager] = EngagementEventManager()

    class Meta:
        verbose_name = _("engagement event")
        verbose_name_plural = _("engagement events")
        constraints = [
            models.UniqueConstraint(fields=["event_id", "project"], name="craftkit_event_known"),
        ]
        indexes = [
            models.Index(fields=["render", "-occurred_at", "-id"], name="craftkit_event_render"),
            models.Index(fields=["render", "type"], name="craftkit_event_counts"),
            models.Index(
                fields=["share_remote_id", "type", "occurred_at"], name="craftkit_event_share"
            ),
            models.Index(fields=["type", "-id"], name="craftkit_event_type"),
            models.Index(fields=["project", "-id"], name="craftkit_event_project"),
        ]

    def __str__(self) -> str:
        kind = one_line(self.get_type_display())
        return f"{kind}, {clock.local(self.occurred_at):%Y-%m-%d %H:%M}"


#: What this site may tell Craftkit of; https://docs.craftkit.dev/api-reference/track-event
RECORDED_HERE = ("viewed", "downloaded", "printed")
