"""A template's manifest as a tree of what data may hold where.

Source: https://docs.craftkit.dev/guides/variables-and-loops

What can't be read in it, or contradicts itself, is not judged: Craftkit has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from .values import JUDGES

if TYPE_CHECKING:
    from .findings import Steps
    from .values import Judge

#: Keys in one another; a variable below more is not judged.
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class Value:
    """A variable; without a judge, of a kind that isn't known here."""

    judge: Judge | None
    required: bool


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A place of which the manifest says nothing, or two things at once."""


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Where a loop with a dot in its key would be sought, and is not."""

    key: str


@dataclass(slots=True)
class Fields:
    """An object: by each key what is there."""

    nodes: dict[str, Node] = field(default_factory=dict)
    #: Keys of which something, here or below, is required.
    required: tuple[str, ...] = ()
    #: Whether a variable is below, and not only a loop's ``Misplaced``.
    is_declared: bool = False
    #: Whether something could not be read, so that no key is known to be none.
    is_open: bool = False
    #: Of the whole data, or of an item: the keys of variables as the manifest writes them, those
    #: with a dot.
    dotted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Loop:
    """A list; without fields, its items are not judged."""

    fields: Fields | None


Node: TypeAlias = "Value | Unjudged | Misplaced | Fields | Loop"


def read(manifest: object) -> Fields:
    """Return what the data of a template may hold. Never raises."""
    if not isinstance(manifest, Mapping):
        return Fields(is_open=True)
    root = _read_variables(manifest.get("variables"))
    loops = manifest.get("loops")
    if not isinstance(loops, (list, tuple)):
        root.is_open = True
        loops = ()
    for loop in loops:
        key = _key_of(loop)
        if key is None:
            root.is_open = True
        elif key in root.nodes:
            root.nodes[key] = Unjudged()
        else:
            root.nodes[key] = Loop(_read_items(loop.get("itemFields")))
    for key in [key for key, node in root.nodes.items() if isinstance(node, Loop) and "." in key]:
        _put(root, tuple(key.split(".")), Misplaced(key))
    _settle(root)
    return root


def _read_items(fields: object) -> Fields | None:
    if not isinstance(fields, (list, tuple)) or not fields:
        return None
    items = _read_variables(fields)
    items.is_declared = True
    _settle(items)
    return items


def _read_variables(variables: object) -> Fields:
    root = Fields()
    if not isinstance(variables, (list, tuple)):
        root.is_open = True
        return root
    dotted = set()
    for variable in variables:
        key = _key_of(variable)
        if key is None:
            root.is_open = True
            continue
        data_type = variable.get("dataType")
        judge = JUDGES.get(data_type) if isinstance(data_type, str) else None
        steps = tuple(key.split("."))
        if len(steps) > _DEEPEST:
            root.is_open = True
            continue
        _put(root, steps, Value(judge, variable.get("required") is True))
        if len(steps) > 1:
            dotted.add(key)
    root.dotted = frozenset(dotted)
    return root


def _key_of(part: object) -> str | None:
    key = part.get("key") if isinstance(part, Mapping) else None
    return key if isinstance(key, str) and key else None


def _put(root: Fields, steps: tuple[str, ...], node: Value | Misplaced) -> None:
    """Put a node at its place, which nothing judges any more if another is there."""
    fields = root
    for step in steps[:-1]:
        fields.is_declared |= isinstance(node, Value)
        inner = fields.nodes.setdefault(step, Fields())
        if not isinstance(inner, Fields):
            if isinstance(node, Value):
                fields.nodes[step] = Unjudged()
            return
        fields = inner
    fields.is_declared |= isinstance(node, Value)
    last = steps[-1]
    if last not in fields.nodes:
        fields.nodes[last] = node
    elif isinstance(node, Value) and fields.nodes[last] != node:
        fields.nodes[last] = Unjudged()


def _settle(fields: Fields) -> None:
    """Note of each object what is required in it, and pass on that it may hold anything."""
    required = []
    for key, node in fields.nodes.items():
        if isinstance(node, Fields):
            node.is_open |= fields.is_open
            _settle(node)
        if (isinstance(node, Value) and node.required) or (
            isinstance(node, Fields) and node.required
        ):
            required.append(key)
    fields.required = tuple(required)


def required_below(fields: Fields, steps: Steps) -> list[Steps]:
    """Return the places of all that is required in an object that is not there."""
    found: list[Steps] = []
    for key in fields.required:
        node = fields.nodes[key]
        inner = (*steps, key)
        found.extend(required_below(node, inner) if isinstance(node, Fields) else [inner])
    return found
