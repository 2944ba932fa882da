"""What the agency knows: its boats, its guests, and who sails which boat when."""

import secrets

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def new_token() -> str:
    """The secret part of a guest's address: 128 random bits, not to be guessed from the code."""
    return secrets.token_urlsafe(16)


class Boat(models.Model):
    class Kind(models.TextChoices):
        SLOOP = "sloop", _("Sloop")
        CATAMARAN = "catamaran", _("Catamaran")
        KETCH = "ketch", _("Ketch")
        LAUNCH = "launch", _("Motor launch")

    name = models.CharField(_("name"), max_length=60)
    slug = models.SlugField(_("address"), unique=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    model = models.CharField(_("model"), max_length=60)
    built = models.PositiveSmallIntegerField(_("built"))
    length = models.DecimalField(_("length in metres"), max_digits=4, decimal_places=1)
    cabins = models.PositiveSmallIntegerField(_("cabins"))
    berths = models.PositiveSmallIntegerField(_("berths"))
    home_port = models.CharField(_("home port"), max_length=60)
    summary = models.CharField(_("in one sentence"), max_length=160)
    description = models.TextField(_("description"))

    class Meta:
        verbose_name = _("boat")
        verbose_name_plural = _("boats")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("charter:boat", args=[self.slug])

    @property
    def picture(self) -> str:
        """The drawing of a boat of this kind, among the static files."""
        return f"charter/boats/{self.kind}.svg"


class Guest(models.Model):
    name = models.CharField(_("name"), max_length=120)
    email = models.EmailField(_("e-mail"), unique=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("guest")
        verbose_name_plural = _("guests")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Booking(models.Model):
    """A boat for some days, and its inspection on the quay before the guest sails off."""

    class Status(models.TextChoices):
        OPTION = "option", _("Option")
        CONFIRMED = "confirmed", _("Confirmed")
        CANCELLED = "cancelled", _("Cancelled")

    code = models.CharField(
        _("code"),
        max_length=12,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Z]{3}-\d{4}$", _("Three letters and a number: AEG-2031."))
        ],
    )
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    boat = models.ForeignKey(Boat, models.PROTECT, related_name="bookings", verbose_name=_("boat"))
    guest = models.ForeignKey(
        Guest, models.PROTECT, related_name="bookings", verbose_name=_("guest")
    )
    skipper = models.CharField(_("skipper"), max_length=120)
    skipper_email = models.EmailField(
        _("skipper's e-mail"),
        blank=True,
        help_text=_("To sign the agreement. Empty where the guest is the skipper."),
    )
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.OPTION)

    inspector = models.CharField(_("inspected by"), max_length=120, blank=True)
    engine_hours = models.PositiveIntegerField(_("engine hours"), null=True, blank=True)
    fuel = models.PositiveSmallIntegerField(
        _("fuel in per cent"), null=True, blank=True, validators=[MaxValueValidator(100)]
    )
    notes = models.TextField(_("notes"), blank=True)
    signed_off_at = models.DateTimeField(_("signed off at"), null=True, editable=False)
    signed_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("signed off by"),
    )

    class Meta:
        verbose_name = _("booking")
        verbose_name_plural = _("bookings")
        ordering = ["-starts_on", "code"]
        permissions = [("sign_off_booking", _("Can sign off the boat of a booking"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_on__gt=models.F("starts_on")),
                name="booking_ends_after_it_starts",
                violation_error_message=_("A booking ends after it starts."),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def get_absolute_url(self) -> str:
        return reverse("charter:booking", args=[self.token])

    @property
    def has_inspection(self) -> bool:
        """Whether anything of the inspection is written down."""
        numbers = (self.engine_hours, self.fuel)
        written = bool(self.inspector or self.notes) or any(one is not None for one in numbers)
        return written or bool(self.areas.all())

    def sign_off(self, user: AbstractUser) -> None:
        """Hand the boat over. The protocol follows from the save: see charter/craftkit.py."""
        if self.signed_off_at is not None:
            raise ValidationError(_("%s is signed off already.") % self)
        if self.status != self.Status.CONFIRMED:
            raise ValidationError(_("%s is not a confirmed booking.") % self)
        if self.engine_hours is None or self.fuel is None or not self.areas.exists():
            raise ValidationError(_("The inspection for %s is not complete.") % self)
        self.signed_off_at = timezone.now()
        self.signed_off_by = user
        self.save(update_fields=["signed_off_at", "signed_off_by"])


class InspectionArea(models.Model):
    class Area(models.TextChoices):
        HULL = "hull", _("Hull")
        DECK = "deck", _("Deck")
        RIGGING = "rigging", _("Rigging")
        SAILS = "sails", _("Sails")
        ENGINE = "engine", _("Engine")
        SAFETY = "safety", _("Safety gear")
        TENDER = "tender", _("Tender")

    class Condition(models.TextChoices):
        OK = "ok", _("In order")
        WORN = "worn", _("Worn")
        DAMAGED = "damaged", _("Damaged")

    booking = models.ForeignKey(
        Booking, models.CASCADE, related_name="areas", verbose_name=_("booking")
    )
    area = models.CharField(_("area"), max_length=12, choices=Area)
    condition = models.CharField(
        _("condition"), max_length=12, choices=Condition, default=Condition.OK
    )
    remark = models.CharField(_("remark"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("inspected area")
        verbose_name_plural = _("inspected areas")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "area"],
                name="area_once_per_booking",
                violation_error_message=_("This area is in the list already."),
            ),
        ]

    def __str__(self) -> str:
        return self.get_area_display()
