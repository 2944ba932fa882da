"""What several forms of staff have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from django_craftkit import clock
from django_craftkit.words import inside

from .format import exact, name_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from django_craftkit.models import Render, Share, SignatureRequest

#: Seconds within which the same, requested by the same user, is a double click.
DOUBLE_CLICK = 15.0


class TextField(forms.CharField):
    """Lines as Craftkit counts them: a browser sends two characters for each break."""

    def to_python(self, value: object) -> str | None:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class OnceMoreForm(forms.Form):
    """A form to be confirmed where the same people were sent the same before."""

    once_more = forms.BooleanField(label=_("Send it once more"), required=False)
    #: The column of ``before`` that says when it was sent.
    sent_at = ""

    def __init__(self, *args: Any, render: Render, user: AbstractBaseUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.craftkit_render = render
        self.user = user
        #: What was sent to them, where that stands in the way.
        self.before: Share | SignatureRequest | None = None

    def is_double_click(self, row: Share | SignatureRequest) -> bool:
        """Whether the same user has requested this a moment ago."""
        seconds = (clock.now() - row.requested_at).total_seconds()
        return row.requested_by_id == self.user.pk and 0 <= seconds < DOUBLE_CLICK

    @property
    def before_at(self) -> str:
        """When that one was sent, or requested where it wasn't."""
        if self.before is None:
            return ""
        return inside(exact, getattr(self.before, self.sent_at) or self.before.requested_at)

    @property
    def before_by(self) -> str:
        """Who requested that one."""
        return "" if self.before is None else name_of(self.before.requested_by)
