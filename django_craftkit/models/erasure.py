"""What an erasure has erased, and what is left for the caller to see to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import uuid


class AtCraftkit(NamedTuple):
    """What only Craftkit's staff can delete."""

    project: str
    #: ``"document"``, ``"signature request"``, ``"link"`` or ``"embed session"``.
    what: str
    #: Craftkit's id.
    remote_id: uuid.UUID


@dataclass
class Erasure:
    """What an erasure has erased, or would, and what is left for the caller to see to."""

    is_dry_run: bool = False
    #: How many rows, and files, by the name of their model.
    counts: Counter[str] = field(default_factory=Counter)
    #: Primary keys, by model: ``Render``, ``Share``, ``SignatureRequest``, ``FormSubmission`` and
    #: ``EmbedSession``.
    erased: dict[str, list[int]] = field(default_factory=dict)
    #: What only Craftkit's staff can delete.
    at_craftkit: list[AtCraftkit] = field(default_factory=list)
    #: Primary keys of signed files and certificates in the archive, kept without ``archive=True``.
    kept_files: list[int] = field(default_factory=list)
    #: Primary keys of archived files that the storage has named itself: they may be others', too.
    foreign_files: list[int] = field(default_factory=list)
    #: Primary keys of documents that are not erased, and of which something went to an address.
    mentioned_in: list[int] = field(default_factory=list)
    #: Primary keys of form submissions that are not erased, and whose data hold an address.
    mentioned_in_forms: list[int] = field(default_factory=list)
    #: Primary keys, by model, of what is just being sent to an address: erased by the next call.
    under_way: dict[str, list[int]] = field(default_factory=dict)
    #: Files that the storage did not delete; the next call tries again.
    undeleted: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether another call would find nothing more to erase."""
        return not (any(self.under_way.values()) or self.undeleted)

    def add(self, other: Erasure) -> None:
        """Add what a batch has erased."""
        self.counts.update(other.counts)
        self.at_craftkit += other.at_craftkit
        self.kept_files += other.kept_files
        self.foreign_files += other.foreign_files
        self.mentioned_in = sorted({*self.mentioned_in, *other.mentioned_in})
        for mine, theirs in ((self.erased, other.erased), (self.under_way, other.under_way)):
            for name, pks in theirs.items():
                mine.setdefault(name, []).extend(pks)
