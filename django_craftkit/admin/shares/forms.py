"""What staff fill in to share a document."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import (
    AdminEmailInputWidget,
    AdminTextareaWidget,
    AdminTextInputWidget,
)
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.admin.common.forms import OnceMoreForm, TextField
from django_craftkit.admin.common.truncate import LONG
from django_craftkit.models import Share
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.share_manager import MAX_EMAIL, MAX_MESSAGE, MAX_NAME, mail_key

if TYPE_CHECKING:
    from datetime import datetime


EXPIRES = {"1": _("in 1 day"), "7": _("in 7 days"), "30": _("in 30 days"), "never": _("never")}


class SharingForm(forms.Form):
    #: Whether this is another press of the same.
    is_repeat = False
    message = TextField(
        label=_("Message"),
        required=False,
        max_length=MAX_MESSAGE,
        widget=AdminTextareaWidget(attrs={"rows": 5}),
        help_text=_("Shown with the document. At most 2,000 characters."),
    )
    expires = forms.ChoiceField(label=_("The link ends"), choices=EXPIRES, initial="7")
    #: Known once the page is shown, so that a double click is one.
    token = forms.RegexField(
        r"\A[0-9a-f]{32}\Z",
        widget=forms.HiddenInput,
        initial=lambda: uuid.uuid4().hex,
        error_messages={"invalid": _("This page can't be sent. Load it anew.")},
    )

    @property
    def key(self) -> str:
        # Who goes back and fills in something else has the same token, and means another.
        given = dict(self.cleaned_data)
        token = given.pop("token")
        return f"desk:{token}:{hash_key(json.dumps(given, sort_keys=True))}"

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["expires"]
        return None if days == "never" else clock.now() + timedelta(days=int(days))


class ShareForm(SharingForm):
    recipient_email = forms.EmailField(
        label=_("For whom"),
        required=False,
        max_length=MAX_EMAIL,
        widget=AdminEmailInputWidget,
        help_text=_(
            "The e-mail address of the person the link is for, if it is for one. Nothing is "
            "mailed: you hand the link over yourself."
        ),
    )
    field_order = ("recipient_email", "message", "expires", "token")


class EmailForm(OnceMoreForm, SharingForm):
    to = forms.EmailField(label=_("To"), max_length=MAX_EMAIL, widget=AdminEmailInputWidget)
    recipient_name = forms.CharField(
        label=_("Name"), required=False, max_length=MAX_NAME, widget=AdminTextInputWidget
    )
    sent_at = "mailed_at"
    field_order = ("to", "recipient_name", "message", "expires", "once_more", "token")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["message"].help_text = _("Stands in the e-mail. At most 2,000 characters.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self.before = self._sent_before()
            if self.before is not None and not cleaned["once_more"]:
                raise forms.ValidationError(
                    _("This person was to get this text before; see below."), code="before"
                )
        return cleaned

    def _sent_before(self) -> Share | None:
        cleaned = self.cleaned_data
        key = hash_key(mail_key(cleaned["to"], cleaned["message"]))
        known = Share.objects.writer().filter(render=self.craftkit_render, key_hash=key)
        share: Share | None = known.select_related("requested_by").defer(*LONG[Share]).first()
        if share is not None and not cleaned["once_more"]:
            # Of one that was refused or taken back nothing comes.
            self.is_repeat = share.is_revocable and self.is_double_click(share)
        return None if self.is_repeat else share

    @property
    def mail_key(self) -> str | None:
        """The key of the mail; ``None``: what it says and to whom is its key."""
        return self.key if self.before is not None else None
