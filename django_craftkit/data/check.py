"""Checks data against a template's manifest, before Craftkit does, and for what it says nothing of.

Sources: https://docs.craftkit.dev/guides/variables-and-loops and
https://docs.craftkit.dev/api-reference/render-template
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from .findings import Finding, FindingCode, Findings, kind_of
from .manifest import Fields, Loop, Misplaced, Unjudged, Value, read, required_below

if TYPE_CHECKING:
    from .findings import Steps
    from .manifest import Node

MOST_ITEMS: Final = 10_000
"""Items of a loop that Craftkit takes."""
#: Keys, and characters of one, that a likely spelling is sought among.
_FEW_KEYS: Final = 500
_SHORT_KEY: Final = 60


def check(data: object, manifest: object, *, strict: bool = False) -> list[Finding]:
    """Return what Craftkit would refuse of data, drop, or print otherwise than meant.

    What can't be judged is passed: a ``dataType`` that isn't known here, a manifest that can't be
    read or contradicts itself. Never raises, whatever it is given. Takes time in proportion to the
    data.

    Source: https://docs.craftkit.dev/guides/variables-and-loops

    Args:
        data: as ``convert`` returns them.
        manifest: the template's, as JSON (``Manifest.to_json()``), or what ``read`` made of it, for
            many documents; None: nothing is judged.
        strict: keys that the template doesn't have are errors, not warnings.

    Returns:
        All findings at once, errors first; of more than 100, these and how many more there are
        (``more``). One without errors: Craftkit takes the data. A key that items of a loop have
        and the template has not is told of the first one.
    """
    walk = _Walk(strict=strict)
    fields = manifest if isinstance(manifest, Fields) else read(manifest)
    if isinstance(data, Mapping):
        walk.check_object(fields, data, ())
    else:
        walk.findings.add((), FindingCode.NOT_AN_OBJECT, kind_of(data))
    return walk.findings.all()


class _Walk:
    def __init__(self, *, strict: bool) -> None:
        self.findings = Findings(strict=strict)
        self._root: Mapping[str, object] = {}
        #: Unknown keys that have been told, without the places in loops.
        self._told: set[tuple[Steps, object]] = set()

    def check_object(self, fields: Fields, data: Mapping[str, object], steps: Steps) -> None:
        if not steps:
            self._root = data
        nodes = fields.nodes
        for key, value in data.items():
            node = nodes.get(key)
            if type(node) is Value:
                if node.judge is not None and (verdict := node.judge(value)) is not None:
                    self.findings.add((*steps, key), *verdict)
            elif node is None:
                if not fields.is_open:
                    self._unknown(fields, key, steps)
            else:
                self._node(node, value, fields, key, steps)
        for key in fields.required:
            if key not in data:
                self._missing(nodes[key], (*steps, key))

    def _node(self, node: Node, value: object, outer: Fields, key: str, steps: Steps) -> None:
        """Check what stands where the manifest has more than a variable."""
        inner = (*steps, key)
        match node:
            case Fields():
                if isinstance(value, Mapping):
                    self.check_object(node, value, inner)
                elif node.is_declared:
                    self.findings.add(inner, FindingCode.NOT_AN_OBJECT, kind_of(value))
                elif not node.is_open:
                    self._unknown(outer, key, steps)
            case Loop():
                self._loop(node, value, inner)
            case Misplaced(key=whole) if whole not in self._root:
                self.findings.add(inner, FindingCode.DOTTED_LOOP, whole)
            case Misplaced():
                self._unknown(outer, key, steps)
            case Unjudged() | Value():
                pass

    def _loop(self, loop: Loop, items: object, steps: Steps) -> None:
        if not isinstance(items, (list, tuple)):
            self.findings.add(steps, FindingCode.NOT_A_LIST, kind_of(items))
        elif len(items) > MOST_ITEMS:
            self.findings.add(steps, FindingCode.TOO_MANY_ITEMS)
        elif loop.fields is not None:
            for place, item in enumerate(items):
                inner = (*steps, place)
                if isinstance(item, Mapping):
                    self.check_object(loop.fields, item, inner)
                else:
                    self.findings.add(inner, FindingCode.NOT_AN_OBJECT, kind_of(item))

    def _missing(self, node: Node, steps: Steps) -> None:
        missing = required_below(node, steps) if isinstance(node, Fields) else [steps]
        for one in missing:
            self.findings.add(one, FindingCode.REQUIRED)

    def _unknown(self, fields: Fields, key: object, steps: Steps) -> None:
        place = (tuple(step for step in steps if isinstance(step, str)), key)
        if place in self._told:
            return
        self._told.add(place)
        name = key if isinstance(key, str) else str(key)
        inner = (*steps, name)
        if name in fields.dotted:
            self.findings.add(inner, FindingCode.DOTTED_KEY, _nested(name))
        elif similar := self._similar(fields, name):
            self.findings.add(inner, FindingCode.MISSPELT_KEY, similar)
        else:
            self.findings.add(inner, FindingCode.UNKNOWN_KEY)

    def _similar(self, fields: Fields, name: str) -> str:
        """Return the key of the template that was probably meant, or ""."""
        if len(name) > _SHORT_KEY or len(fields.nodes) > _FEW_KEYS:
            return ""
        if not self.findings.has_room(FindingCode.MISSPELT_KEY):
            return ""
        known = [
            key
            for key, node in fields.nodes.items()
            if not (
                isinstance(node, Misplaced) or (isinstance(node, Fields) and not node.is_declared)
            )
        ]
        return next(iter(get_close_matches(name, known, 1, 0.75)), "")


def _nested(key: str) -> str:
    """Return ``{"customer": {"name": …}}`` for ``customer.name``."""
    steps = key.split(".")
    return "".join(f'{{"{step}": ' for step in steps) + "…" + "}" * len(steps)
