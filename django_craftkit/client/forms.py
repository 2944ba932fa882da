"""Forms: what somebody filled in, and what became of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - typing.get_type_hints reads these classes
from typing import Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.errors import InvalidResponse
from django_craftkit.client.fields import Answer, Fields
from django_craftkit.client.types import Render
from django_craftkit.untrusted import JsonObject  # noqa: TC001


@dataclass(frozen=True, slots=True, kw_only=True)
class FormAnswer(Answer):
    """That Craftkit took a form.

    Source: https://docs.craftkit.dev/api-reference/form-submit
    """

    render: Render | None
    """The document that it makes of the form. None in collect mode, where the data come as the
    webhook `form.submitted`; what Craftkit said then is in `extra`. None also where `unreadable`
    has the `id`: Craftkit took the form, and nobody can say what it made of it."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "form's answer")
        if fields.maybe_uuid("id") is not None:
            with suppress(InvalidResponse):
                return cls(render=Render.from_json(body))
        # Never an error: the form was taken. What answers one in collect mode is not documented.
        return cls(render=None, **fields.rest())


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSubmission(Answer):
    """What somebody filled in and sent, in a session of `FormOptions(collect=True)`.

    Craftkit keeps it until the delivery is acknowledged, and can't be asked for it afterwards:
    store it first.

    Source: https://docs.craftkit.dev/api-reference/webhooks/ (form submitted)
    """

    event: str
    """`form.submitted`."""
    session_id: UUID
    """Of the embed session."""
    template_slug: str
    template_version: int | None
    """The version of the template that the form was made of."""
    render_id: UUID | None
    """None where no document was made, as in collect mode."""
    data: JsonObject = field(repr=False, hash=False)
    """The prefill, with what was filled in before it; by the manifest's keys, as
    `Renders.render` takes them."""
    submitted_at: datetime | None
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_webhook(cls, payload: object) -> Self:
        """From the body of a `form.submitted` delivery.

        Source: https://docs.craftkit.dev/api-reference/webhooks/ (form submitted)

        Args:
            payload: the object that the body's JSON stands for.

        Raises:
            InvalidResponse: the event, the session, the template's slug or the data are missing or
                can't be read; it is named.
        """
        fields = Fields(payload, "form event")
        return cls(
            event=fields.text("event"),
            session_id=fields.uuid("sessionId"),
            template_slug=fields.text("templateSlug"),
            template_version=fields.maybe_count("templateVersion"),
            render_id=fields.maybe_uuid("renderId"),
            data=fields.mapping("data"),
            submitted_at=fields.maybe_moment("submittedAt"),
            **fields.rest(),
        )
