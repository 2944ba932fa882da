"""What the business has declared, and who listens."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from django_craftkit.events import render_on
from django_craftkit.signals import SIGNALS, render_succeeded
from django_craftkit.signing import Envelope

from .business import CONTRACT, POISON, STATEMENT, TO_SIGN, signer
from .models import Deal, Heard

if TYPE_CHECKING:
    from django_craftkit.models import Change, Render


def signers(deal: Deal) -> Envelope | None:
    if deal.kind != CONTRACT:
        return None
    return Envelope([signer(deal.key)], anchor_tags=TO_SIGN, name=deal.key)


@render_on(
    post_save,
    sender=Deal,
    template="statement",
    when=lambda deal: deal.kind == STATEMENT,
    key=lambda deal: deal.key,
    priority="bulk",
)
@render_on(
    post_save,
    sender=Deal,
    template="invoice",
    when=lambda deal: deal.kind != STATEMENT,
    key=lambda deal: deal.key,
    sign_with=signers,
)
def deal_data(deal: Deal, **kwargs: Any) -> dict[str, Any]:
    if deal.kind == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"event": deal.key, "revision": deal.revision}


@receiver(render_succeeded)
def hand_out(instance: Render, **kwargs: Any) -> None:
    """Ask for the customer's link; who is called twice asks for the same one."""
    if instance.template == "invoice":
        instance.share(key="customer", message=f"{instance.key}/customer")


def record(change: Change, **kwargs: Any) -> None:
    Heard.objects.create(change=change.pk)


for each in SIGNALS.values():
    each.connect(record)
