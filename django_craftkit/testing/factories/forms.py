"""What people have submitted by forms."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django_craftkit import client, conf
from django_craftkit.database import in_transaction
from django_craftkit.models import Change, EmbedSession, FormSubmission, WebhookDelivery
from django_craftkit.reconcile import forms
from django_craftkit.reconcile.renders.states import lock_known
from django_craftkit.testing.moments import as_text

from .base import at_moment, new_id, settle

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model

    from django_craftkit.models import Render


def form_submission_factory(
    template: str = "form",
    data: dict[str, Any] | None = None,
    *,
    source: Model | None = None,
    session: EmbedSession | None = None,
    render: Render | None = None,
    version: int = 1,
    project: str = conf.DEFAULT_PROJECT,
    at: datetime | None = None,
) -> FormSubmission:
    """Return what somebody has submitted by a form.

    Args:
        template: the slug of the form's template.
        data: what was filled in; None: nothing.
        source: the saved object that the form was about.
        session: by which it was filled in; None: a new one, about ``source``.
        render: the document that Craftkit has made of it; None: none.
        version: of the template.
        project: the alias of its project, if there is no ``session``.
        at: when it was submitted; None: now.
    """
    with at_moment(at) as now:
        if session is None:
            session = EmbedSession.objects.note(
                project,
                SimpleNamespace(id=new_id(), expires_at=now, renew_token=None),
                mode="fill",
                template=template,
                source=source,
                collect=render is None,
            )
        body = {
            "event": "form.submitted",
            "sessionId": str(session.remote_id),
            "templateSlug": template,
            "templateVersion": version,
            "renderId": None if render is None else str(render.remote_id),
            "data": {} if data is None else data,
            "submittedAt": as_text(now),
        }
        return _submitted(session.project, body, now)


@in_transaction
def _submitted(project: str, body: dict[str, Any], now: datetime) -> FormSubmission:
    delivery_id = new_id()
    WebhookDelivery.objects.store(project, delivery_id, json.dumps(body).encode())
    delivery = WebhookDelivery.objects.writer().get(project=project, delivery_id=delivery_id)
    submitted = [(delivery, client.FormSubmission.from_webhook(body))]
    forms.apply(submitted, lock_known(forms.renders_of(submitted)))
    row = FormSubmission.objects.writer().get(project=project, body_hash=delivery.body_hash)
    # It is the only copy: no body stays, as after ``DELIVERY_ROWS_KEEP_DAYS``.
    delivery.delete()
    settle(row, Change.Kind.FORM, [], received_at=now)
    return row
