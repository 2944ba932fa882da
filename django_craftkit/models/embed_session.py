"""Embed sessions: who was given Craftkit's builder, or a form, to work in, and about what.

A session's token is kept nowhere: whoever mints the session hands it to the browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.client.secret import Secret
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.database import in_transaction, insert_or_get
from django_craftkit.functions import alters_data
from django_craftkit.log import one_line
from django_craftkit.statements import Lookup
from django_craftkit.twins import async_twin

from .arguments import EARLIEST, LATEST, MAX_SLUG, check_text, check_user
from .columns import NullableMoment, SecretText, prefix_index, user_key
from .identity import identify
from .source import Sourced, SourcedQuerySet

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from django.contrib.auth.models import AbstractBaseUser

#: Characters of an external id at Craftkit.
#: Source: https://docs.craftkit.dev/api-reference/create-session
MAX_EXTERNAL_ID = 160
#: Characters of a mode; what the column holds.
MAX_MODE = 16


class Minted(Protocol):
    """What is noted of a session that Craftkit has minted, or renewed."""

    @property
    def id(self) -> uuid.UUID: ...

    @property
    def expires_at(self) -> datetime | None: ...

    @property
    def renew_token(self) -> str | Secret | None: ...


class EmbedSessionQuerySet(SourcedQuerySet["EmbedSession"]):
    """The embed sessions of all projects."""

    def for_object(self, source: models.Model) -> Self:
        """Return the sessions about an object, newest first; ``source`` is the object."""
        return self.for_objects([source]).order_by("-pk")


if TYPE_CHECKING:

    class _Manager(EmbedSessionQuerySet, models.Manager["EmbedSession"]): ...  # type: ignore[misc]

else:
    _Manager = models.Manager.from_queryset(EmbedSessionQuerySet)


class EmbedSessionManager(_Manager):
    """Where sessions are noted."""

    @in_transaction
    @alters_data
    def note(
        self,
        project: str,
        session: Minted,
        *,
        mode: str = "",
        template: str = "",
        source: models.Model | None = None,
        tenant_id: str = "",
        actor_id: str = "",
        user: AbstractBaseUser | None = None,
        collect: bool = False,
    ) -> EmbedSession:
        """Note a session that Craftkit has minted, and return its row.

        Of one that is noted already, a renewed one say, only its expiry and its renew token are
        written: what it is about stays.

        Args:
            project: an alias of ``CRAFTKIT_PROJECTS``.
            session: as the client returns it: ``id``, ``expires_at`` and ``renew_token``.
            mode: ``fill``, ``edit``, ``create``, ``view``, or one that is new to this version.
            template: its slug, or Craftkit's id as text; up to 120 characters.
            source: the saved object that is worked on; what is submitted is about it.
            tenant_id, actor_id: what Craftkit was told of who works in it, up to 160 characters.
            user: who the session was minted for.
            collect: whether what is submitted comes as data, and Craftkit renders nothing.

        Raises:
            ValueError: one of these can't be stored.
            TypeError: one of these is of another type.
        """
        renewed = {
            "expires_at": _stored(session.expires_at),
            "renew_token": Secret.of(session.renew_token),
        }
        row = self.model(
            project=project,
            remote_id=session.id,
            mode=check_text("mode", mode, MAX_MODE),
            template=check_text("template", template, MAX_SLUG),
            tenant_id=check_text("tenant_id", tenant_id, MAX_EXTERNAL_ID),
            actor_id=check_text("actor_id", actor_id, MAX_EXTERNAL_ID),
            created_by=check_user(user),
            collect=collect,
            **renewed,
            **({} if source is None else identify(source).values),
        )
        known = insert_or_get(row, _BY_ID, "project", "remote_id")
        if known is not row and known.erased_at is None:
            self.writer().filter(pk=known.pk, erased_at=None).update(**renewed)
            for name, value in renewed.items():
                setattr(known, name, value)
        return known

    anote = async_twin(note)


class EmbedSession(Sourced):
    """One session of Craftkit's builder, or of a form, in a page of this site."""

    project = models.CharField(_("project"), max_length=64, default=DEFAULT_PROJECT)
    remote_id = models.UUIDField(_("Craftkit's id"))
    #: ``fill``, ``edit``, ``create``, ``view``, or one that is new to this version.
    mode = models.CharField(_("mode"), max_length=MAX_MODE, blank=True)
    #: Its slug, or Craftkit's id as text; "" where a new one is made.
    template = models.CharField(_("template"), max_length=MAX_SLUG, blank=True)
    tenant_id = models.CharField(_("tenant"), max_length=MAX_EXTERNAL_ID, blank=True)
    actor_id = models.CharField(_("actor"), max_length=MAX_EXTERNAL_ID, blank=True)
    created_by = user_key(_("created by"))
    collect = models.BooleanField(_("data only"), default=False)
    expires_at: NullableMoment = models.DateTimeField(_("expires at"), null=True, blank=True)
    #: What the session can be renewed with, once.
    renew_token = SecretText(blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=clock.now)
    #: Since when it holds nothing about people: see ``erasing.py``.
    erased_at: NullableMoment = models.DateTimeField(_("erased at"), null=True, blank=True)

    objects: ClassVar[EmbedSessionManager] = EmbedSessionManager()

    class Meta:
        verbose_name = _("embed session")
        verbose_name_plural = _("embed sessions")
        constraints = [
            models.UniqueConstraint(fields=["remote_id", "project"], name="craftkit_session_known"),
        ]
        indexes = [
            models.Index(fields=["source_id", "source_type"], name="craftkit_session_about"),
            models.Index(fields=["project", "-id"], name="craftkit_session_project"),
            models.Index(fields=["mode", "-id"], name="craftkit_session_mode"),
            prefix_index("template", "craftkit_session_begins"),
            # What retention goes by.
            models.Index(fields=["expires_at"], name="craftkit_session_age"),
        ]

    def __str__(self) -> str:
        return one_line(f"{self.mode or _('session')} {self.remote_id}")


def _stored(moment: datetime | None) -> datetime | None:
    """Return a moment of Craftkit's as it is stored here; one that each time zone has."""
    return None if moment is None else clock.moment(min(max(moment, EARLIEST), LATEST))


def _by_id() -> models.QuerySet[EmbedSession]:
    return EmbedSession.objects.all()


_BY_ID: Lookup[EmbedSession] = Lookup(_by_id, "project", "remote_id")
