from __future__ import annotations

from django.db import models

from tests.benchmarks.models import Booking


class HandBooking(Booking):
    """Its document is a task, sent by hand."""

    #: The id of Craftkit; an index, because webhooks find the row by it.
    render_id = models.UUIDField(null=True, db_index=True)
    status = models.CharField(max_length=20, default="pending")
