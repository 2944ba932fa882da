from __future__ import annotations

from functools import partial
from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_save


class ByHandConfig(AppConfig):
    name = "tests.benchmarks.by_hand"

    def ready(self) -> None:
        post_save.connect(send_on_commit, sender=self.get_model("HandBooking"))


def send_on_commit(instance: Any, update_fields: Any, **kwargs: Any) -> None:
    from .tasks import send

    # The tasks save single columns, which is no new booking.
    if update_fields is None:
        transaction.on_commit(partial(send.delay, instance.pk))
