"""What staff fill in to have a document signed: by whom, where, and until when."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.utils.translation import gettext_lazy as _

from django_craftkit.admin.common.buttons import not_as_written, pk_of
from django_craftkit.admin.common.forms import OnceMoreForm, TextField
from django_craftkit.admin.common.truncate import LONG, long_of
from django_craftkit.models import SignatureRecipient, SignatureRequest
from django_craftkit.models.signature import MAX_REASON
from django_craftkit.signing import AnchorTag, Recipient

from .anchors import Anchors
from .page import MOST_RECIPIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.forms import BoundField
    from django.http import QueryDict

    from django_craftkit.models import Render
    from django_craftkit.pdf.anchors import Finding
    from django_craftkit.signing import InvalidSignatureRequest

#: Rows for people that the form has at first, and that one press adds.
ROWS = 4
#: The id of the list that the page has of the texts that the PDF offers.
OFFERS = "craftkit-offers"
DAYS = {
    "7": _("7 days"),
    "14": _("14 days"),
    "30": _("30 days"),
    "": _("as long as Craftkit gives by itself (7 days)"),
}
SIGNER = SignatureRecipient.Designation.SIGNER

_PLACE = re.compile(r"(recipients|anchor_tags)\[(\d+)\](?:\.(\w+))?")
_FIELDS = {"name": "name", "expires_in_hours": "days"}


class RecipientForm(forms.Form):
    first_name = forms.CharField(label=_("First name"), max_length=100)
    last_name = forms.CharField(label=_("Last name"), max_length=100, required=False)
    email = forms.EmailField(label=_("E-mail address"), max_length=255)
    designation = forms.ChoiceField(
        label=_("Role"), choices=SignatureRecipient.Designation.choices, initial=SIGNER
    )
    anchor = forms.CharField(label=_("Signs where the PDF says"), max_length=200, required=False)

    def __init__(self, *args: Any, anchors: Anchors, number: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        anchor = self.fields["anchor"]
        # What is proposed to a row that names nobody is no change of it, and is not sent.
        anchor.initial = anchors.proposal(number)
        if anchors.offers:
            anchor.widget.attrs["list"] = OFFERS

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_signer = cleaned.get("designation") == SIGNER and self.has_changed()
        if is_signer and not cleaned.get("anchor") and "anchor" not in self.errors:
            self.add_error("anchor", _("Write the text that marks where this person signs."))
        return cleaned


class RecipientRows(forms.BaseFormSet):  # type: ignore[type-arg]
    """A row for each person; those that were left empty are nobody."""

    #: What was typed before the user added rows.
    typed: Mapping[str, object] | None = None

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        kwargs = super().get_form_kwargs(index)
        if index is not None:
            kwargs["number"] = index
        if index is not None and self.typed is not None:
            prefix = f"{self.add_prefix(index)}-"
            names = (name for name in self.typed if name.startswith(prefix))
            kwargs["initial"] = {name.removeprefix(prefix): self.typed[name] for name in names}
        return kwargs

    @property
    def filled(self) -> list[RecipientForm]:
        return [form for form in self.forms if form.has_changed()]

    def _is_as_written(self) -> bool:
        """Whether the form says how many rows it has, and has no others."""
        total, initial = (self.data.get(f"{self.prefix}-{n}_FORMS") for n in ("TOTAL", "INITIAL"))
        rows = pk_of(str(total))
        row = re.compile(rf"{re.escape(str(self.prefix))}-(\d+)-")
        numbers = {found[1] for name in self.data if (found := row.match(name))}
        known = {str(number) for number in range(min(rows or 0, MOST_RECIPIENTS))}
        return rows is not None and str(initial) == "0" and numbers <= known

    def clean(self) -> None:
        if not any(self.errors) and not self.filled:
            raise forms.ValidationError(_("Name at least one person."), code="nobody")
        if not self._is_as_written():
            raise forms.ValidationError(not_as_written(), code="unexpected")


RecipientForms: Any = forms.formset_factory(
    RecipientForm,
    formset=RecipientRows,
    max_num=MOST_RECIPIENTS,
    absolute_max=MOST_RECIPIENTS,
    validate_max=True,
)


class SigningForm(OnceMoreForm):
    """The whole of it; ``rows`` are the recipients."""

    sent_at = "accepted_at"
    field_order = ("name", "days", "anyway", "once_more", "after")

    name = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=255,
        widget=AdminTextInputWidget,
        help_text=_("What the people read that they are to sign. At most 255 characters."),
    )
    days = forms.ChoiceField(label=_("Time to sign"), choices=DAYS, required=False, initial="7")
    anyway = forms.BooleanField(
        label=_("Send it although a text to sign at is not in the PDF"), required=False
    )
    #: The request that the form was shown with, so that "once more" pressed twice is once.
    after = forms.RegexField(r"\A[0-9]{1,18}\Z", required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        render: Render,
        user: AbstractBaseUser,
        anchors: Anchors | None = None,
        number: int = ROWS,
        typed: Mapping[str, object] | None = None,
    ) -> None:
        initial = {"name": render.key, **(typed or {})}
        super().__init__(data, render=render, user=user, initial=initial)
        #: What is known of the PDF.
        self.anchors = anchors or Anchors()
        self.rows: RecipientRows = RecipientForms(
            data, prefix="people", form_kwargs={"anchors": self.anchors}
        )
        self.rows.extra = min(max(number, len(self.anchors.proposed)), MOST_RECIPIENTS)
        self.rows.typed = typed
        #: Whether to ask if it is to be sent although the PDF lacks a text.
        self.lacks_anchors = "anyway" in (data or typed or ())
        #: What another press of the same has made.
        self.repeated: SignatureRequest | None = None
        self.key = ""

    def is_valid(self) -> bool:
        return super().is_valid() and self.rows.is_valid()

    @property
    def shown(self) -> Iterator[BoundField]:
        """The fields; of those that confirm something, the ones that something asks for."""
        is_asked = {"once_more": self.before is not None, "anyway": self.lacks_anchors}
        return (field for field in self.visible_fields() if is_asked.get(field.name, True))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.rows.is_valid() and not self.errors:
            self._find_key(cleaned)
        return cleaned

    @property
    def recipients(self) -> list[Recipient]:
        names = ("first_name", "last_name", "email", "designation")
        given = (form.cleaned_data for form in self.rows.filled)
        return [Recipient(**{name: row[name] for name in names}) for row in given]

    @property
    def anchor_tags(self) -> list[AnchorTag]:
        return [
            AnchorTag(form.cleaned_data["anchor"], "signature", recipient=number, required=True)
            for number, form in self._signers()
        ]

    @property
    def expires_in(self) -> timedelta | None:
        days = self.cleaned_data["days"]
        return timedelta(days=int(days)) if days else None

    def _signers(self) -> list[tuple[int, RecipientForm]]:
        filled = enumerate(self.rows.filled)
        return [(n, form) for n, form in filled if form.cleaned_data["designation"] == SIGNER]

    def _people(self) -> list[tuple[str, str]]:
        return sorted((one.email.casefold(), one.designation) for one in self.recipients)

    def _known(self) -> list[SignatureRequest]:
        """Return the requests to these people, newest first, whoever or whatever made them."""
        rows = SignatureRecipient.objects.writer().filter(request__render=self.craftkit_render)
        rows = rows.select_related("request__requested_by")
        rows = rows.defer(*long_of(SignatureRequest, "request")).order_by("-request_id")
        people: dict[SignatureRequest, list[tuple[str, str]]] = {}
        for one in rows:
            people.setdefault(one.request, []).append((one.email.casefold(), one.designation))
        mine = self._people()
        return [request for request, theirs in people.items() if sorted(theirs) == mine]

    def _find_key(self, cleaned: dict[str, Any]) -> None:
        """Name the request after the one before it: a double click requests the same one."""
        # What the keys of all requests from here to these people begin with.
        people = json.dumps(self._people())
        chain = f"desk:{hashlib.sha256(people.encode()).hexdigest()}:"
        known = self._known()
        latest = known[0] if known else None
        if latest is None:
            self.key = f"{chain}0"
        elif cleaned["once_more"] and any(str(one.pk) == cleaned["after"] for one in known):
            self.key = f"{chain}{cleaned['after']}"
            self.repeated = next((one for one in known if one.key == self.key), None)
        elif latest.is_cancellable and self.is_double_click(latest):
            self.key, self.repeated = latest.key, latest
        else:
            self.stand_in_the_way(latest)

    def stand_in_the_way(self, request: SignatureRequest) -> None:
        """Ask whether these people are to get the document once more."""
        self.before = request
        text = _("These people were asked to sign this document before; see below.")
        self.add_error(None, forms.ValidationError(text, code="before"))

    def find_who_was_faster(self) -> SignatureRequest | None:
        """Return what stands for something else under the key of this form, the newest one."""
        rows = SignatureRequest.objects.writer().select_related("requested_by")
        rows = rows.filter(render=self.craftkit_render, key=self.key).defer(*LONG[SignatureRequest])
        known: SignatureRequest | None = rows.order_by("-pk").first()
        return known

    @property
    def unknown_anchors(self) -> list[str]:
        """What the people are to sign at that the PDF may not have, unless that is confirmed."""
        if self.repeated is not None or self.cleaned_data["anyway"]:
            return []
        return self.anchors.others(tag.anchor_string for tag in self.anchor_tags)

    def say_missing(self, findings: Mapping[str, Finding]) -> None:
        """Say in each row whose text the PDF does not have which one of it is the nearest."""
        for _number, row in self._signers():
            if (finding := findings.get(row.cleaned_data["anchor"])) is None:
                continue
            row.add_error("anchor", _missing(finding))
            self.lacks_anchors = True

    def is_repeat(self, sent: SignatureRequest) -> bool:
        """Whether a request is one that another press has made."""
        return self.repeated is not None and self.repeated.pk == sent.pk

    def blame(self, error: InvalidSignatureRequest) -> None:
        """Say what Craftkit would refuse at the field that it is about."""
        text = _("Craftkit does not take this: %s") % str(error).removeprefix(f"'{error.field}' ")
        place = _PLACE.fullmatch(error.field)
        if place is None:
            self.add_error(_FIELDS.get(error.field), text)
            return
        number = int(place[2])
        if place[1] == "recipients":
            form, field = self.rows.filled[number], place[3]
        else:
            form, field = self._signers()[number][1], "anchor"
        form.add_error(field if field in form.fields else None, text)


def _missing(finding: Finding) -> forms.ValidationError:
    if not finding.similar:
        return forms.ValidationError(_("The PDF does not have this text."), code="missing")
    text, page = finding.similar[0]
    said = _("The PDF does not have this text. The nearest is %(text)s on page %(page)s.")
    return forms.ValidationError(said, code="missing", params={"text": text, "page": page})


class CancelForm(forms.Form):
    reason = TextField(
        label=_("Reason"),
        required=False,
        max_length=MAX_REASON,
        widget=AdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("Craftkit keeps it with the request. At most 500 characters."),
    )
