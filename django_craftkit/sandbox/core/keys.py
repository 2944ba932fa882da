"""Keys of the three kinds, each of which opens its own doors and no other (section 0.2)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

Kind = Literal["project", "account", "admin"]


class Keys:
    """Whose each key is. Kept as Craftkit keeps them, hashed: no repr or page can show one."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Kind, str]] = {}

    def add(self, key: str, kind: Kind, owner: str) -> None:
        """Let a key in as its owner: the id of a project, the name of an account, or anything.

        Raises:
            ValueError: it is a key of another kind.
        """
        known, _ = self._owners.get(_hash(key), (kind, ""))
        if known != kind:
            raise ValueError(f"the key of this {kind} is one of kind {known!r}, too")
        self._owners[_hash(key)] = kind, owner

    def revoke(self, key: str) -> None:
        """From now on the key is wrong; KeyError if it is already."""
        del self._owners[_hash(key)]

    def owner(self, key: str, kind: Kind) -> str | None:
        """Whose key this is; None for a wrong one, and for one of another kind."""
        known, owner = self._owners.get(_hash(key), (None, None))
        return owner if known == kind else None

    def forget(self, kind: Kind, owners: Collection[str]) -> None:
        """Revoke all keys of some owners."""
        for key, (known, owner) in list(self._owners.items()):
            if known == kind and owner in owners:
                del self._owners[key]


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
