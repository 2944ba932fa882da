"""What staff fill in to hand a document to somebody."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.database import database
from django_craftkit.models import Share
from django_craftkit.models.arguments import hash_key
from django_craftkit.models.share import MAX_EMAIL, MAX_MESSAGE, MAX_NAME, mail_key
from django_craftkit.words import inside

from .base import exact, name_of
from .texts import LONG

if TYPE_CHECKING:
    from datetime import datetime

    from django_craftkit.models import Render

#: Seconds within which the same mail, asked for by the same person, is a double click.
DOUBLE_CLICK = 15.0

EXPIRES = [
    ("1", _("in 1 day")),
    ("7", _("in 7 days")),
    ("30", _("in 30 days")),
    ("never", _("never")),
]


class TextField(forms.CharField):
    """Lines as Craftkit counts them: a browser sends two characters for each break."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class HandForm(forms.Form):
    message = TextField(
        label=_("Message"),
        required=False,
        max_length=MAX_MESSAGE,
        widget=forms.Textarea(attrs={"rows": 5, "class": "vLargeTextField"}),
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
        given = {k: v for k, v in self.cleaned_data.items() if k != "token"}
        said = json.dumps(given, sort_keys=True)
        return f"desk:{self.cleaned_data['token']}:{hash_key(said)}"

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["expires"]
        return None if days == "never" else clock.now() + timedelta(days=int(days))


class ShareForm(HandForm):
    recipient_email = forms.EmailField(
        label=_("For whom"),
        required=False,
        max_length=MAX_EMAIL,
        widget=forms.EmailInput(attrs={"class": "vTextField"}),
        help_text=_(
            "The e-mail address of the person the link is for, if it is for one. Nothing is "
            "mailed: you hand the link over yourself."
        ),
    )
    field_order = ("recipient_email", "message", "expires", "token")


class EmailForm(HandForm):
    to = forms.EmailField(
        label=_("To"),
        max_length=MAX_EMAIL,
        widget=forms.EmailInput(attrs={"class": "vTextField"}),
    )
    recipient_name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=MAX_NAME,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    once_more = forms.BooleanField(label=_("Send it once more"), required=False)
    field_order = ("to", "recipient_name", "message", "expires", "once_more", "token")

    def __init__(self, *args: Any, render: Render, person: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["message"].help_text = _("Stands in the e-mail. At most 2,000 characters.")
        self.craftkit_render = render
        self.person = person
        #: The same text to the same person, where there is one that stands in the way.
        self.before: Share | None = None
        #: Whether that was a moment ago, by the same person.
        self.is_double_click = False

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self.before = self._sent_before()
            if self.before is not None and not cleaned["once_more"]:
                raise forms.ValidationError(
                    _("This person was to get this text before; see below."), code="before"
                )
        return cleaned

    def _sent_before(self) -> Share | None:
        cleaned = self.cleaned_data
        key = mail_key(cleaned["to"], cleaned["message"])
        shares = Share.objects.using(database())
        known = shares.filter(render=self.craftkit_render, key_hash=hash_key(key))
        share: Share | None = known.select_related("requested_by").defer(*LONG[Share]).first()
        if share is not None and not cleaned["once_more"]:
            seconds = (clock.now() - share.requested_at).total_seconds()
            # Of one that was refused or taken back nothing comes.
            is_own = share.requested_by_id == self.person.pk and share.is_revocable
            self.is_double_click = is_own and 0 <= seconds < DOUBLE_CLICK
        return None if self.is_double_click else share

    @property
    def before_at(self) -> str:
        """When that one was sent, or asked for where it wasn't."""
        if self.before is None:
            return ""
        return inside(exact, self.before.mailed_at or self.before.requested_at)

    @property
    def before_by(self) -> str:
        """Who asked for that one."""
        return "" if self.before is None else name_of(self.before.requested_by)

    @property
    def mail_key(self) -> str | None:
        """The key of the mail; ``None``: what it says and to whom is its key."""
        return self.key if self.before is not None else None
