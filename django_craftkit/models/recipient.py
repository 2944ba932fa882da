"""Who is to sign a document, to approve it, or to get a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit.log import one_line
from django_craftkit.signing import Recipient

from .columns import NullableMoment, NullableNumber, RowKey, prefix_index
from .rows import RowManager

if TYPE_CHECKING:
    from .signature import SignatureRequest


class _Manager(RowManager["SignatureRecipient"]): ...


class SignatureRecipient(models.Model):
    """One person of a request: to sign it, to approve it, or to get a copy."""

    class Designation(models.TextChoices):
        SIGNER = "Signer", _("signs")
        APPROVER = "Approver", _("approves")
        CC = "CC", _("gets a copy")

    request: RowKey[SignatureRequest, SignatureRequest] = RowKey(
        "craftkit.SignatureRequest",
        on_delete=models.CASCADE,
        related_name="recipients",
        verbose_name=_("signature request"),
    )
    #: From 0, as they were named; fields and anchor tags refer to it.
    position = models.PositiveSmallIntegerField(_("position"))
    remote_id = models.CharField(_("Craftkit's id"), max_length=128, blank=True)
    first_name = models.CharField(_("first name"), max_length=100)
    last_name = models.CharField(_("last name"), max_length=100, blank=True)
    email = models.EmailField(_("e-mail address"), max_length=255)
    designation = models.CharField(
        _("role"), max_length=16, choices=Designation, default=Designation.SIGNER
    )
    #: Whose turn it is, from 1; ``None``: as they were named.
    order: NullableNumber = models.PositiveSmallIntegerField(_("turn"), null=True, blank=True)
    signed_at: NullableMoment = models.DateTimeField(_("signed at"), null=True, blank=True)
    declined_at: NullableMoment = models.DateTimeField(_("declined at"), null=True, blank=True)

    objects: ClassVar[_Manager] = _Manager()

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        ordering = ["request", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "position"], name="craftkit_recipient_position"
            ),
        ]
        indexes = [prefix_index("email", "craftkit_recipient_email")]

    def __str__(self) -> str:
        return one_line(f"{self.full_name} <{self.email}>")

    @property
    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    @classmethod
    def from_recipient(cls, position: int, recipient: Recipient) -> SignatureRecipient:
        """Return the row of a recipient whose request is not stored yet."""
        return cls(position=position, **_values(recipient))

    def differences(self, other: SignatureRecipient) -> list[str]:
        """Return the names of what differs; an address is the same in any case."""
        mine, theirs = _values(self), _values(other)
        mine["email"], theirs["email"] = self.email.casefold(), other.email.casefold()
        return [name for name in mine if mine[name] != theirs[name]]

    def as_recipient(self) -> Recipient:
        return Recipient(**_values(self))


def _values(recipient: SignatureRecipient | Recipient) -> dict[str, Any]:
    # In the order in which differences are named.
    names = ("first_name", "last_name", "designation", "order", "email")
    return {name: getattr(recipient, name) for name in names}
