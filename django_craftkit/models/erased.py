"""What erasure leaves of a row: nothing in a column that may hold what is about people.

What is in no table here stays: numbers, moments, statuses, codes and Craftkit's ids, so that links
can be revoked and keys stay used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import Model

#: What Craftkit, or what is wrong with it, says of any mirrored row.
_SAID: dict[str, Any] = {"key": "", "answer": {}, "error": "", "field_errors": {}}

#: What a row that is about an object says of it.
_ABOUT: dict[str, Any] = {
    "source_type": None,
    "source_id": "",
    "source_db": "",
    "source_schema": None,
}

#: What a change says that is no status, and whose note is the key of another document: one is to
#: take its place, one has taken it, it has taken that of one.
NAMING = ("corrected", "superseded", "supersedes")

#: What is left in the columns of each model, by name.
LEFT: dict[str, dict[str, Any]] = {
    "Render": {
        **_SAID,
        "data": None,
        **_ABOUT,
        "filename": "",
    },
    "Share": {**_SAID, "recipient_email": "", "recipient_name": "", "message": "", "url": ""},
    "SignatureRequest": {
        **_SAID,
        # Of names and addresses, which can be guessed.
        "asked_hash": "",
        "name": "",
        "fields": [],
        "anchor_tags": [],
        "anchor_findings": None,
        "cancel_reason": "",
    },
    "SignatureRecipient": {"first_name": "", "last_name": "", "email": ""},
    "EngagementEvent": {"ip_address": None, "user_agent": "", "metadata": None},
    "EmbedSession": {
        **_ABOUT,
        "tenant_id": "",
        "actor_id": "",
        "created_by": None,
        "renew_token": "",
    },
    "FormSubmission": {**_ABOUT, "data": None, "answer": {}},
    # Of receivers that failed, also what they said: see ``erasing.py``.
    "Change": {"note": ""},
    "Job": {"error": ""},
    "WebhookDelivery": {"body": b"", "error": ""},
    # Without a name there is no file, and none is fetched any more.
    "ArchivedFile": {"name": "", "sha256": ""},
}

#: What rows are found by that are to be erased. It is emptied last, once all of them are.
FOUND_BY = {
    "Render": tuple(_ABOUT),
    "EmbedSession": tuple(_ABOUT),
    "FormSubmission": tuple(_ABOUT),
    "Share": ("recipient_email",),
    "SignatureRecipient": ("email",),
}


def left_of(model: type[Model], *, but: str = "") -> dict[str, Any]:
    """Return what is left in the columns of an erased row, by name; ``but`` is left out."""
    return {name: value for name, value in LEFT[model.__name__].items() if name != but}


def blank(row: Model, columns: Collection[str]) -> None:
    """Have a row that is about to be written hold nothing in those of its columns that must not."""
    for name, value in left_of(type(row)).items():
        if name in columns:
            setattr(row, name, value)
