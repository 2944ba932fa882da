"""What the package is held against, written by hand."""

from __future__ import annotations

from django.db import models


class BareDelivery(models.Model):
    """What the bare webhook view stores: the leanest row that is of use, without an index."""

    delivery_id = models.UUIDField()
    event = models.CharField(max_length=64)
    payload = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)


class Booking(models.Model):
    code = models.CharField(max_length=40)

    class Meta:
        abstract = True


class DeclaredBooking(Booking):
    """Its document is declared with ``render_on``."""
