"""What documents are about in the tests."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=40)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    confirmed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.number


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    text = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.text


class RushOrder(Order):
    """The same rows, seen with other eyes."""

    class Meta:
        proxy = True

    def deadline(self) -> str:
        return f"{self.number} today"


class Seat(models.Model):
    """What no generic key can refer to."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.row}/{self.number}"
