"""What the calls about signatures may say: limits of each field, and rules across fields.

signatures-webhooks-embed.md, sections 1.3 and 1.5. Whether the page of a field is in the document
is not checked. Craftkit takes an anchor whose text isn't in it; `check_anchors` is for a sandbox
that is told to be strict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from django_craftkit.sandbox.core.errors import Issues
from django_craftkit.sandbox.core.moments import parse_moment

from .shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DESIGNATIONS: Final = ("Signer", "Approver", "CC")
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
ANCHOR_TYPES: Final = ("signature", "initials", "text", "date", "checkbox")
MOST_RECIPIENTS: Final = 20
MOST_FIELDS: Final = 200
LONGEST_WAIT: Final = 8760
LARGEST_PAGE: Final = 100
MOST_LISTED: Final = 100


Place: TypeAlias = dict[str, Any]
"""A field or an anchor tag; what was not sent is None."""


class NewRecipient(TypedDict):
    first_name: str
    last_name: str | None
    email: str
    designation: str
    # 0 if none was given.
    order: int


@dataclass(frozen=True)
class NewRequest:
    """A body of POST that has been checked; recipients are in the sandbox's words."""

    render_id: str
    name: str | None
    recipients: list[NewRecipient]
    fields: list[Place]
    anchor_tags: list[Place]
    expiration_hours: int | None


def check_request(body: Mapping[str, object]) -> NewRequest:
    """The body of POST /v1/signatures; raises `Refusal` with what is wrong."""
    shape = Shape(body)
    new = NewRequest(
        render_id=shape.uuid("renderId", required=True) or "",
        name=shape.string("name", least=1, most=255),
        recipients=[
            _recipient(each)
            for each in shape.objects("recipients", required=True, least=1, most=MOST_RECIPIENTS)
        ],
        fields=[_field(each) for each in shape.objects("fields", most=MOST_FIELDS)],
        anchor_tags=[_anchor(each) for each in shape.objects("anchorTags", most=MOST_FIELDS)],
        expiration_hours=shape.integer("expirationHours", most=LONGEST_WAIT),
    )
    # As with Zod: what concerns several fields is looked at when each by itself is right.
    shape.refuse()
    _check_together(new, shape)
    shape.refuse()
    return new


def check_anchors(anchor_tags: Sequence[Place], is_printed: Callable[[str], bool]) -> None:
    """Raise `Refusal` for tags whose text isn't printed, but for those that may be missing.

    The documentation has no error for them: it is that of an invalid field.
    """
    issues = Issues()
    for index, tag in enumerate(anchor_tags):
        if not tag["ignoreIfNotPresent"] and not is_printed(tag["anchorString"]):
            issues.add(f"anchorTags.{index}.anchorString", "Text is not in the document")
    issues.refuse()


def check_list(query: Mapping[str, str]) -> tuple[int, str | None, int | None]:
    """`limit`, `renderId` and `cursor` of a list, the cursor in whole milliseconds."""
    issues = Issues()
    limit, before_ms = 50, None
    if "limit" in query:
        text = query["limit"].strip()
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_LISTED):
            issues.add("limit", f"Expected a whole number from 1 to {MOST_LISTED}")
        else:
            limit = int(text)
    render_id = Shape(dict(query), issues).uuid("renderId")
    if "cursor" in query:
        moment = parse_moment(query["cursor"])
        if moment is None:
            issues.add("cursor", "Invalid datetime")
        else:
            # Rounded up: a row of the millisecond that the cursor lies in is before it.
            before_ms = -(-round(moment * 1_000_000) // 1000)
    issues.refuse(message="Query did not match expected shape.")
    return limit, render_id, before_ms


def _recipient(shape: Shape) -> NewRecipient:
    return {
        "first_name": shape.string("firstName", required=True, least=1, most=100) or "",
        "last_name": shape.string("lastName", most=100),
        "email": shape.email("email", required=True, most=255) or "",
        "designation": shape.choice("designation", DESIGNATIONS) or "Signer",
        "order": shape.integer("order") or 0,
    }


def _field(shape: Shape) -> Place:
    return {
        "recipientIndex": shape.integer("recipientIndex", required=True, least=0),
        "type": shape.choice("type", FIELD_TYPES, required=True),
        "page": shape.integer("page", required=True),
        "x": shape.number("x", required=True, most=LARGEST_PAGE),
        "y": shape.number("y", required=True, most=LARGEST_PAGE),
        "width": shape.number("width", most=LARGEST_PAGE, above_zero=True),
        "height": shape.number("height", most=LARGEST_PAGE, above_zero=True),
        "required": shape.boolean("required"),
    }


def _anchor(shape: Shape) -> Place:
    return {
        "anchorString": shape.string("anchorString", required=True, least=1, most=200),
        "type": shape.choice("type", ANCHOR_TYPES, required=True),
        "recipientIndex": shape.integer("recipientIndex", required=True, least=0),
        "width": shape.number("width", most=1000, above_zero=True),
        "height": shape.number("height", most=1000, above_zero=True),
        "required": shape.boolean("required"),
        "ignoreIfNotPresent": shape.boolean("ignoreIfNotPresent"),
    }


def _check_together(new: NewRequest, shape: Shape) -> None:
    count = len(new.recipients)
    for position, recipient in enumerate(new.recipients, start=1):
        if not recipient["order"]:
            recipient["order"] = position
    if sorted(recipient["order"] for recipient in new.recipients) != [*range(1, count + 1)]:
        shape.wrong("recipients", f"Orders must be a permutation of 1 to {count}")
    for name, places in (("fields", new.fields), ("anchorTags", new.anchor_tags)):
        for index, place in enumerate(places):
            if place["recipientIndex"] >= count:
                shape.wrong(f"{name}.{index}.recipientIndex", "No such recipient")
    signs = any(recipient["designation"] == "Signer" for recipient in new.recipients)
    if signs and not new.fields and not new.anchor_tags:
        shape.wrong("fields", "A Signer needs at least one field or anchor tag")
