"""Engagement: who opened, downloaded or printed a render, and what was sent out of it."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - typing.get_type_hints reads these classes
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003
from typing import Final, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.encoding import given, path
from django_craftkit.client.errors import InvalidData
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.transport import Resource
from django_craftkit.untrusted import JsonObject  # noqa: TC001

TRACKED: Final = ("viewed", "downloaded", "printed")
"""The kinds of event that Craftkit takes from us."""
KINDS: Final = (*TRACKED, "email_opened", "email_sent", "share_created", "share_revoked")
"""The kinds of event that Craftkit counts; it may add some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngagementEvent(Answer):
    """What somebody did with a render.

    Source: https://docs.craftkit.dev/api-reference/get-engagement
    """

    id: UUID
    """The same in the read and in a delivery."""
    event_type: str
    """One of `KINDS`, or one that is new to us."""
    actor: str
    """`recipient`, `partner` or `system`; `""` if Craftkit does not say."""
    share_id: UUID | None
    """The link it came by; None if it came by none."""
    source_ip: str | None = field(repr=False)
    user_agent: str | None = field(repr=False)
    metadata: JsonObject | None = field(repr=False, hash=False)
    """As the sender of the event sent it."""
    created_at: datetime | None
    render_id: UUID | None = None
    """None from the read, which is of one render."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        return cls._read(Fields(body, "engagement event"), "id", render_id=None)

    @classmethod
    def from_webhook(cls, payload: object) -> Self:
        """The same event, from the body of a `document.*` delivery; `extra` has its `templateId`.

        Source: https://docs.craftkit.dev/api-reference/webhooks/ (document engagement event)

        Args:
            payload: the object that the body's JSON stands for.

        Raises:
            InvalidResponse: an id or the kind is missing or can't be read; it is named.
        """
        fields = Fields(payload, "document event")
        fields.maybe_text("event")
        return cls._read(fields, "eventId", render_id=fields.uuid("renderId"))

    @classmethod
    def _read(cls, fields: Fields, id_name: str, *, render_id: UUID | None) -> Self:
        return cls(
            id=fields.uuid(id_name),
            event_type=fields.text("eventType"),
            actor=fields.maybe_text("actorKind") or "",
            share_id=fields.maybe_uuid("shareId"),
            source_ip=fields.maybe_text("sourceIp"),
            user_agent=fields.maybe_text("userAgent"),
            metadata=fields.maybe_mapping("metadata"),
            created_at=fields.maybe_moment("createdAt"),
            render_id=render_id,
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement(Answer):
    """What was done with a render so far.

    Source: https://docs.craftkit.dev/api-reference/get-engagement
    """

    counts: Mapping[str, int] = field(hash=False)
    """Events by kind: all of `KINDS`, and what Craftkit counts besides. A kind whose count can't be
    read is left out: nobody knows whether it happened."""
    link_opens: int | None
    """Views by way of a share; they are in `counts` already."""
    total: int | None
    """The sum of the counts, as Craftkit says it."""
    recent: tuple[EngagementEvent, ...]
    """Up to 25 events, the newest first; without those that can't be read."""
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "engagement")
        return cls(
            counts=fields.counts("counts", KINDS),
            link_opens=fields.maybe_count("linkOpens"),
            total=fields.maybe_count("total"),
            recent=fields.maybe_rows("recent", EngagementEvent.from_json),
            **fields.rest(),
        )


class EngagementLog(Resource):
    """The engagement with the renders of the project that the key belongs to."""

    def read(self, render_id: UUID | str) -> Engagement:
        """The counts of a render and its latest events.

        Source: https://docs.craftkit.dev/api-reference/get-engagement

        Args:
            render_id: as Craftkit gave it.

        Raises:
            NotFound: no such render.
            PermissionDenied: the project of the key is gone (`forbidden`).
        """
        return self._transport.get(
            path("v1", "renders", render_id, "engagement"), Engagement.from_json
        )

    def track(
        self,
        render_id: UUID | str,
        event_type: str,
        *,
        metadata: Mapping[str, object] | None = None,
    ) -> bool | None:
        """Send Craftkit an event of this side; it notes `partner` as the actor.

        Craftkit takes what comes from one IP address within 5 minutes for one event, whoever is
        behind it. Retried only where Craftkit proved that it did nothing.

        Source: https://docs.craftkit.dev/api-reference/track-event

        Args:
            render_id: as Craftkit gave it.
            event_type: `viewed`, `downloaded` or `printed`.
            metadata: anything that can be JSON; stored as it is.

        Returns:
            Whether it was recorded: False if Craftkit had noted the same within 5 minutes, None if
            it took the event and does not say.

        Raises:
            InvalidData: another event, or metadata that can't be JSON; nothing was sent.
            NotFound: no such render.
            PermissionDenied: the project of the key is gone (`forbidden`).
        """
        if event_type not in TRACKED:
            raise InvalidData("'event_type' is not viewed, downloaded or printed.")
        # Without a key: a second try would say False of what the first recorded, or count it twice,
        # late, or from another IP address.
        return self._transport.call(
            "POST",
            path("v1", "renders", render_id, "events"),
            lambda answer, status: Fields(answer, "tracked event").maybe_flag("recorded"),
            json={"eventType": event_type, **given(metadata=metadata)},
        )
