"""What the project has of its own; written out, as mypy without Django's plugin wants it."""

from __future__ import annotations

from decimal import Decimal

from django.db import models


class Order(models.Model):
    number: models.CharField[str, str] = models.CharField(max_length=20, unique=True)
    total: models.DecimalField[Decimal, Decimal] = models.DecimalField(
        max_digits=10, decimal_places=2
    )
    confirmed: models.BooleanField[bool, bool] = models.BooleanField(default=False)


class Line(models.Model):
    order: models.ForeignKey[Order, Order] = models.ForeignKey(Order, on_delete=models.CASCADE)
    text: models.CharField[str, str] = models.CharField(max_length=200)
