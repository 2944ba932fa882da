"""What documents are about in the tests."""

from __future__ import annotations

import uuid

from django.conf import settings
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


class Parcel(models.Model):
    """Known by a UUID, which has many ways to be written."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    def __str__(self) -> str:
        return str(self.pk)


class Tariff(models.Model):
    """Known by a number of two places."""

    rate = models.DecimalField(primary_key=True, max_digits=6, decimal_places=2)

    def __str__(self) -> str:
        return str(self.rate)


class Gift(Order):
    """Rows of its own beside its parent's, whose primary key it has."""

    wish = models.CharField(max_length=80)


class Moment(models.Model):
    at = models.DateTimeField(primary_key=True)

    def __str__(self) -> str:
        return str(self.at)


class Country(models.Model):
    code = models.CharField(primary_key=True, max_length=40)

    def __str__(self) -> str:
        return self.code


class Account(models.Model):
    """Somebody's own, or nobody's, in whatever database."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_constraint=False,
    )

    def __str__(self) -> str:
        return str(self.pk)


class Desk(models.Model):
    """Somebody's own, who is known by name."""

    clerk = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        to_field="username",
        related_name="+",
        db_constraint=False,
    )

    def __str__(self) -> str:
        return str(self.pk)


class Fingerprint(models.Model):
    """What no text reads back; MySQL has no such primary key."""

    digest = models.BinaryField(primary_key=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return "a fingerprint"


class Organization(models.Model):
    #: The alias of its Craftkit project, too: letters, digits, - and _, up to 64.
    slug = models.SlugField(max_length=64, unique=True)
    #: Its credentials, sealed; empty until it has a project.
    sealed = models.BinaryField(null=True)
    #: Craftkit's id of the project, to make further keys by.
    remote_project = models.UUIDField(null=True)

    def __str__(self) -> str:
        return self.slug
