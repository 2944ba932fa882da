"""Somebody of an organisation, and one row of everything that is theirs."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

from django.contrib.auth.models import Permission
from django.utils import timezone

from django_craftkit.models import Change, Job
from tests.admin.conftest import (
    make_batch,
    make_delivery,
    make_event,
    make_render,
    make_request,
    make_session,
    make_share,
    make_submission,
)
from tests.shop.models import Order


def member(django_user_model, organisation: str, **more):
    """Make somebody who has every permission of this app."""
    name = f"{organisation}-{uuid.uuid4()}"
    user = django_user_model.objects.create_user(name, is_staff=True, **more)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="craftkit"))
    return user


def rows_of(organisation: str, user) -> SimpleNamespace:
    """Make one row of everything about an order; each text of theirs begins with their name."""
    now, name = timezone.now(), f"{organisation}-{uuid.uuid4().hex[:12]}"
    order = Order.objects.create(number=name)
    batch = make_batch(name, requested_by=user)
    render = make_render(
        "failed",
        key=f"{name}-invoice",
        data={"name": name},
        error=name,
        source=order,
        batch=batch,
        remote_id=uuid.uuid4(),
        requested_by=user,
    )
    share = make_share(
        render,
        "unknown",
        error_code="mail_unproven",
        by_mail=True,
        recipient_email=f"{name}@example.com",
        message=name,
        remote_id=uuid.uuid4(),
        sending_since=now,
    )
    session = make_session(source=order, created_by=user, tenant_id=name)
    request = make_request(
        render, "sent", {"email": f"{name}@example.com", "last_name": name}, remote_id=uuid.uuid4()
    )
    body = f'{{"event": "render.failed", "name": "{name}"}}'.encode()
    return SimpleNamespace(
        name=name,
        order=order,
        render=render,
        batch=batch,
        share=share,
        signaturerequest=request,
        engagementevent=make_event(
            render, share_remote_id=share.remote_id, metadata={"name": name}, user_agent=name
        ),
        embedsession=session,
        formsubmission=make_submission(
            render=render, source=order, session_id=session.remote_id, data={"name": name}
        ),
        webhookdelivery=make_delivery(body, about=render.remote_id, status="abandoned"),
        job=Job.objects.create(
            kind="render", object_id=render.pk, due_at=now, leased_until=now, error=name
        ),
        change=Change.objects.create(
            kind="render",
            object_id=render.pk,
            to_status="failed",
            cause="poll",
            person=user,
            note=name,
            announcement="abandoned",
            receivers={name: {"attempts": 9, "error": name}},
        ),
    )
