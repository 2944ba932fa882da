"""Which work goes first: the four classes of jobs, and how a job comes by its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_craftkit.bulk import among

from .kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Collection


class Priority(models.IntegerChoices):
    """The class of a job, the most urgent first.

    A job has the class of the document that it is about: links, e-mails, signature requests and
    signals of a bulk document are bulk, too, and overtake no single one. What a user waits for is
    raised to ``URGENT`` whatever it is about; what nobody waits for (archive, engagement) is
    ``UPKEEP``. A job keeps its class when it is rescheduled.
    """

    URGENT = 0, _("a person waits")
    SINGLE = 1, _("single")
    BULK = 2, _("bulk")
    UPKEEP = 3, _("archive and upkeep")


#: What callers may name; the other two classes follow from what a job does and for whom.
WORDS = {"single": Priority.SINGLE, "bulk": Priority.BULK}

#: Where the objects of jobs have the class of their document, by model.
_OF_DOCUMENT = {
    "Render": "priority",
    "Share": "render__priority",
    "SignatureRequest": "render__priority",
    "EngagementEvent": "render__priority",
    "Batch": "priority",
}


def check_priority(priority: str) -> Priority:
    """Return the class that a caller names; ``TypeError`` and ``ValueError`` for no such word."""
    if not isinstance(priority, str):
        raise TypeError(f'priority is "single" or "bulk", not a {type(priority).__name__}.')
    if priority not in WORDS:
        raise ValueError(f'priority is "single" or "bulk", not {priority[:64]!r}.')
    return WORDS[priority]


def priorities(kind: str, object_ids: Collection[int]) -> dict[int, int]:
    """Return the classes of new jobs of a kind, by object: with one query, or with none."""
    job = Kind.of(kind)
    if job.is_upkeep:
        return dict.fromkeys(object_ids, Priority.UPKEEP.value)
    known = dict.fromkeys(object_ids, Priority.SINGLE.value)
    if path := _OF_DOCUMENT.get(job.model_name):
        rows = job.model.objects.writer()
        known.update(rows.filter(among("pk", object_ids)).values_list("pk", path))
    return known
