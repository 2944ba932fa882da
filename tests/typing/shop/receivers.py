"""Receivers of signals."""

from __future__ import annotations

from typing import Any

from django.core.mail import mail_admins
from django.dispatch import receiver

from django_craftkit.models import (
    Batch,
    Change,
    FormSubmission,
    ProjectState,
    Render,
    SignatureRecipient,
    SignatureRequest,
)
from django_craftkit.signals import (
    batch_completed,
    document_archived,
    form_submitted,
    project_paused,
    render_succeeded,
    signature_signed,
)

from .models import Line


@receiver(render_succeeded)
def hand_to_customer(instance: Render, **kwargs: Any) -> None:
    if instance.template == "invoice":
        instance.share(key="customer", message="Your invoice")


@receiver(batch_completed)
def tell_accounting(instance: Batch, **kwargs: Any) -> None:
    mail_admins(f"{instance} is done", f"{instance.counts['succeeded']} of {instance.total}")


@receiver(project_paused)
def tell_admins(instance: ProjectState, change: Change, **kwargs: Any) -> None:
    if instance.paused_at is not None:
        mail_admins(f"Craftkit is paused: {instance}", change.note)


@receiver(signature_signed)
def note_signature(instance: SignatureRecipient, **kwargs: Any) -> None:
    order_id = instance.request.render.source_id
    Line.objects.get_or_create(order_id=order_id, text=f"{instance.full_name} has signed")


@receiver(document_archived, sender=SignatureRequest)
def file_away(instance: SignatureRequest, **kwargs: Any) -> None:
    with instance.open_signed() as pdf:
        size = len(pdf.read())
    Line.objects.get_or_create(order_id=instance.render.source_id, text=f"signed, {size} bytes")


@receiver(form_submitted, sender=FormSubmission)
def take_over(instance: FormSubmission, **kwargs: Any) -> None:
    earlier = FormSubmission.objects.for_object(instance.subject).exclude(pk=instance.pk)
    mail_admins(instance.template, f"{instance.version}: {instance.data}, {earlier.count()} before")
