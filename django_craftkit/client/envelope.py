"""What is sent with a document to be signed: to whom, and where they sign. And Craftkit's limits.

Source: https://docs.craftkit.dev/api-reference/create-signature
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, Final, NoReturn, Self

from django_craftkit.client.encoding import is_address
from django_craftkit.client.errors import InvalidSignatureRequest
from django_craftkit.log import one_line
from django_craftkit.untrusted import Json  # noqa: TC001

SIGNER: Final = "Signer"
DESIGNATIONS: Final = (SIGNER, "Approver", "CC")
"""What a recipient is to do."""
FIELD_TYPES: Final = (
    "signature",
    "initial",
    "text",
    "date",
    "checkbox",
    "dropdown",
    "radio_buttons",
    "text_area",
)
"""What may stand at a place of a page."""
ANCHOR_TYPES: Final = ("signature", "initials", "text", "date", "checkbox")
"""What may stand at a text of the PDF; Craftkit says `initials` here, and `initial` in a field."""
MOST_RECIPIENTS: Final = 20
MOST_PLACES: Final = 200
"""Of fields, and of anchor tags."""
LONGEST_EXPIRATION: Final = 8_760
"""Hours: a year."""

# The greatest whole number that JavaScript holds.
_LARGEST: Final = 2**53 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# The names that differ on the wire.
_WIRE: Final = {
    "first_name": "firstName",
    "last_name": "lastName",
    "recipient": "recipientIndex",
    "anchor_string": "anchorString",
    "ignore_if_not_present": "ignoreIfNotPresent",
}


@dataclass(frozen=True, slots=True)
class _Part:
    #: What stands for arguments that are left out of the JSON.
    _left_out: ClassVar[Mapping[str, Json]] = {}

    def as_json(self) -> dict[str, Json]:
        """As Craftkit takes it."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {
            _WIRE.get(name, name): value
            for name, value in values.items()
            if value not in (None, self._left_out.get(name))
        }

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Back from `as_json`; null counts as absent. `check_signature` checks the values.

        Args:
            body: the object, with Craftkit's names.

        Raises:
            InvalidSignatureRequest: no object, a field is missing or unknown; it is named.
        """
        if not isinstance(body, Mapping):
            raise InvalidSignatureRequest(f"This is no {cls.__name__}: it is no JSON object.")
        left = {name: value for name, value in body.items() if value is not None}
        values = dict(cls._left_out)
        for one in dataclasses.fields(cls):
            wire = _WIRE.get(one.name, one.name)
            if wire in left:
                values[one.name] = left.pop(wire)
            elif one.default is dataclasses.MISSING and one.name not in values:
                _refuse(one.name, f"of the {cls.__name__} is missing: its JSON has no '{wire}'")
        if left:
            name = one_line(str(min(left, key=str)), 60)
            _refuse(name, f"is nothing that a {cls.__name__} has")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Recipient(_Part):
    """Somebody whom a document is sent to for signature.

    Nothing is checked here; `check_signature` does, for a request as a whole.
    """

    _left_out = {"last_name": ""}

    first_name: str = field(repr=False)
    """1 to 100 characters."""
    last_name: str = field(repr=False)
    """Up to 100 characters; `""` for none."""
    email: str = field(repr=False)
    """One address of up to 255 characters."""
    _: KW_ONLY
    designation: str = SIGNER
    """`Signer`, `Approver` or `CC`."""
    order: int | None = None
    """From 1 to the number of recipients, each once; None is the place in the list, from 1 up."""


@dataclass(frozen=True, slots=True)
class SignatureField(_Part):
    """Something to fill in at a place of a page, given in percent of the page."""

    type: str
    """One of `FIELD_TYPES`."""
    _: KW_ONLY
    recipient: int = 0
    """Whose it is: the place in the list of recipients, from 0 up."""
    page: int = 1
    """From 1 up."""
    x: float
    """Percent of the page's width, 0 to 100, from the left."""
    y: float
    """Percent of the page's height, 0 to 100, from the top."""
    width: float | None = None
    """Percent of the page, above 0, up to 100."""
    height: float | None = None
    """Percent of the page, above 0, up to 100."""
    required: bool | None = None
    """None leaves it to Craftkit."""


@dataclass(frozen=True, slots=True)
class AnchorTag(_Part):
    """Something to fill in wherever a text stands in the PDF."""

    anchor_string: str
    """The text, letter by letter: 1 to 200 characters."""
    type: str
    """One of `ANCHOR_TYPES`."""
    _: KW_ONLY
    recipient: int = 0
    """Whose it is: the place in the list of recipients, from 0 up."""
    width: float | None = None
    """Points, above 0, up to 1,000."""
    height: float | None = None
    """Points, above 0, up to 1,000."""
    required: bool | None = None
    """None leaves it to Craftkit."""
    ignore_if_not_present: bool | None = None
    """Whether a PDF without the text is sent all the same; None leaves it to Craftkit."""


def check_signature(
    recipients: Sequence[Recipient],
    fields: Sequence[SignatureField] = (),
    anchor_tags: Sequence[AnchorTag] = (),
    name: str | None = None,
    expiration_hours: int | None = None,
) -> None:
    """Refuse what Craftkit would refuse, before it is stored or sent.

    Names the first problem: of the recipients, their orders, the fields, the anchor tags, whether
    there is a place to sign, the name, the hours.

    Source: https://docs.craftkit.dev/api-reference/create-signature

    Args:
        recipients, fields, anchor_tags, name: as in `Signatures.create`.
        expiration_hours: its `expires_in_hours`.

    Raises:
        InvalidSignatureRequest: its `field` names it as `Signatures.create` does, and its text
            quotes no value.
    """
    _check_list("recipients", recipients, Recipient, MOST_RECIPIENTS)
    if not recipients:
        _refuse("recipients", "is empty: give 1 to 20 Recipients")
    for number, recipient in enumerate(recipients):
        _check_recipient(f"recipients[{number}]", recipient)
    _check_orders(recipients)
    _check_list("fields", fields, SignatureField, MOST_PLACES)
    for number, place in enumerate(fields):
        _check_field(f"fields[{number}]", place, len(recipients))
    _check_list("anchor_tags", anchor_tags, AnchorTag, MOST_PLACES)
    for number, tag in enumerate(anchor_tags):
        _check_tag(f"anchor_tags[{number}]", tag, len(recipients))
    if not fields and not anchor_tags and any(one.designation == SIGNER for one in recipients):
        _refuse("fields", "has no place to sign for the Signer: give a SignatureField or AnchorTag")
    if name is not None:
        check_text("name", name, 1, 255)
    if expiration_hours is not None and not _is_whole(expiration_hours, 1, LONGEST_EXPIRATION):
        _refuse("expires_in_hours", "is not a whole number of hours from 1 to 8,760")


def check_text(where: str, text: object, least: int, most: int) -> None:
    """Refuse what is no text of this many characters; one that must say something is not blank.

    Raises:
        InvalidSignatureRequest: its `field` is `where`.
    """
    if not (isinstance(text, str) and least <= len(text) <= most):
        _refuse(where, f"is not a text of {least} to {most} characters")
    if least and not text.strip():
        _refuse(where, "is blank: write something")
    if "\x00" in text or _SURROGATE.search(text):
        _refuse(where, "holds a NUL or half a character: take it out")


def _check_list(where: str, parts: object, kind: type, most: int) -> None:
    if not isinstance(parts, Sequence) or isinstance(parts, str | bytes | bytearray):
        _refuse(where, f"is not a list: write [{kind.__name__}(…)]")
    if len(parts) > most:
        _refuse(where, f"has more than {most} entries; Craftkit takes no more in one request")
    for number, part in enumerate(parts):
        if not isinstance(part, kind):
            _refuse(f"{where}[{number}]", f"is not a {kind.__name__}: write {kind.__name__}(…)")


def _check_recipient(where: str, recipient: Recipient) -> None:
    check_text(f"{where}.first_name", recipient.first_name, 1, 100)
    check_text(f"{where}.last_name", recipient.last_name, 0, 100)
    check_text(f"{where}.email", recipient.email, 1, 255)
    if not is_address(recipient.email):
        _refuse(f"{where}.email", "is not one e-mail address: write it without a name")
    if recipient.designation not in DESIGNATIONS:
        _refuse(f"{where}.designation", f"is not one of {', '.join(DESIGNATIONS)}")


def _check_orders(recipients: Sequence[Recipient]) -> None:
    seen = set()
    for number, recipient in enumerate(recipients):
        where, most = f"recipients[{number}].order", len(recipients)
        order = number + 1 if recipient.order is None else recipient.order
        if not _is_whole(order, 1, most):
            _refuse(where, f"is not a whole number from 1 to {most}, the recipients' number")
        if order in seen:
            what = "is there twice" if recipient.order is not None else "is missing"
            _refuse(where, f"{what}, and {order} is another's: give each recipient one of its own")
        seen.add(order)


def _check_field(where: str, place: SignatureField, recipients: int) -> None:
    if place.type == "initials":
        _refuse(f"{where}.type", "is 'initials', as anchor tags say: write 'initial' in a field")
    if place.type not in FIELD_TYPES:
        _refuse(f"{where}.type", f"is not one of {', '.join(FIELD_TYPES)}")
    _check_whose(where, place.recipient, recipients)
    if not _is_whole(place.page, 1, _LARGEST):
        _refuse(f"{where}.page", "is not a whole number from 1 up")
    for name in ("x", "y"):
        if not (_is_number(value := getattr(place, name)) and 0 <= value <= 100):
            _refuse(f"{where}.{name}", "is not a number from 0 to 100 (percent of the page)")
    _check_size(where, place, 100, "percent of the page")
    _check_flag(f"{where}.required", place.required)


def _check_tag(where: str, tag: AnchorTag, recipients: int) -> None:
    check_text(f"{where}.anchor_string", tag.anchor_string, 1, 200)
    if tag.type == "initial":
        _refuse(f"{where}.type", "is 'initial', as fields say: write 'initials' in an anchor tag")
    if tag.type not in ANCHOR_TYPES:
        elsewhere = "; a SignatureField can be that" if tag.type in FIELD_TYPES else ""
        _refuse(f"{where}.type", f"is not one of {', '.join(ANCHOR_TYPES)}{elsewhere}")
    _check_whose(where, tag.recipient, recipients)
    _check_size(where, tag, 1_000, "points")
    _check_flag(f"{where}.required", tag.required)
    _check_flag(f"{where}.ignore_if_not_present", tag.ignore_if_not_present)


def _check_whose(where: str, recipient: object, recipients: int) -> None:
    if not _is_whole(recipient, 0, recipients - 1):
        last = recipients - 1
        _refuse(f"{where}.recipient", f"names no recipient: they are counted from 0 to {last}")


def _check_size(where: str, place: SignatureField | AnchorTag, most: int, unit: str) -> None:
    for name in ("width", "height"):
        value = getattr(place, name)
        if value is not None and not (_is_number(value) and 0 < value <= most):
            _refuse(f"{where}.{name}", f"is not a number above 0, up to {most:,} ({unit})")


def _check_flag(where: str, flag: object) -> None:
    if flag is not None and not isinstance(flag, bool):
        _refuse(where, "is not True, False or None")


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    """NaN is one, and in no range."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(where: str, problem: str) -> NoReturn:
    raise InvalidSignatureRequest(f"'{where}' {problem}.", field=where)
