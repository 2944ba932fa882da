"""Templates as files of a repository: read, written, and compared with Craftkit's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_craftkit import untrusted
from django_craftkit.client import Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from django_craftkit.client import Template

#: The order of what is written; what is new to this version comes after it, by its name.
_ORDER = ("key", "label", "dataType", "required", "format", "itemFields", "previewData")
_NAMES = ("name", "description", "manifest", "layout", "pageConfig")
#: What differs between two variables is told in these words.
_WORDS = {"label": "label", "dataType": "type", "required": "required", "format": "format"}

Entry = Mapping[str, Any]


class NoTemplate(ValueError):
    """A file that holds no template; its text says which, where, and why."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is published as a version of a template, as far as Craftkit tells it again."""

    name: str
    description: str
    manifest: Mapping[str, Any]
    #: Craftkit's ``contentJson`` and page, which it does not tell; ``None``: it makes them.
    layout: Mapping[str, Any] | None = None
    page_config: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, template: Template) -> Content | None:
        """Return what Craftkit has; ``None`` where its manifest is not there, or unreadable."""
        if template.manifest is None:
            return None
        manifest = _ordered(template.manifest.to_json())
        return cls(template.name, template.description or "", manifest)

    @classmethod
    def read(cls, path: Path) -> Content:
        """Return what is in a file; raises ``NoTemplate``."""
        try:
            body = untrusted.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NoTemplate(f"{path} can't be read: {error.strerror}.") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise NoTemplate(f"{path}, {where}: this is no JSON: {error.msg}.") from None
        except ValueError as error:
            raise NoTemplate(f"{path}: this is no JSON in UTF-8: {error}.") from None
        for place, wrong in _mistakes(body):
            raise NoTemplate(f"{path}, {place}: {wrong}." if place else f"{path}: {wrong}.")
        return cls(
            body["name"],
            body.get("description") or "",
            _ordered(Manifest.from_json(body["manifest"]).to_json()),
            body.get("layout"),
            body.get("pageConfig"),
        )

    def write(self, path: Path) -> None:
        """Write a file as a whole, or not at all."""
        more = {"layout": self.layout, "pageConfig": self.page_config}
        body = {
            "name": self.name,
            "description": self.description or None,
            "manifest": self.manifest,
            **{name: value for name, value in more.items() if value is not None},
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        half.write_text(f"{json.dumps(body, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
        half.replace(path)


def differences(before: Content | None, after: Content) -> list[str]:
    """Return what is added (+), removed (-) and changed (~) from one content to another."""
    empty: Mapping[str, Any] = {"variables": [], "loops": []}
    was = empty if before is None else before.manifest
    lines = []
    for name in ("name", "description"):
        one, other = getattr(before, name, ""), getattr(after, name)
        if before is not None and one != other:
            lines.append(f"~ {name}: {one!r} → {other!r}")
    lines += _compared("variable", was["variables"], after.manifest["variables"])
    loops = {loop["key"]: loop for loop in was["loops"]}
    lines += _compared("loop", was["loops"], after.manifest["loops"])
    for loop in after.manifest["loops"]:
        if (old := loops.get(loop["key"])) is not None:
            fields = (old["itemFields"], loop["itemFields"])
            lines += _compared(f"loop {loop['key']}: field", *fields)
    if not lines and before is not None and was != after.manifest:
        lines.append("~ manifest: fields that this version does not know")
    return lines


def _compared(what: str, before: Sequence[Entry], after: Sequence[Entry]) -> Iterator[str]:
    old, new = ({entry["key"]: entry for entry in entries} for entries in (before, after))
    for key in [key for key in old if key not in new]:
        yield f"- {what} {key} ({_brief(old[key])})"
    for key, entry in new.items():
        if key not in old:
            yield f"+ {what} {key} ({_brief(entry)})"
        elif changes := list(_changes(old[key], entry)):
            yield f"~ {what} {key}: {'; '.join(changes)}"
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        yield f"~ {what}s: in another order"


def _brief(entry: Entry) -> str:
    if "itemFields" in entry:
        return ", ".join(field["key"] for field in entry["itemFields"])
    return f"{entry['dataType']}, required" if entry.get("required") else str(entry["dataType"])


def _changes(before: Entry, after: Entry) -> Iterator[str]:
    names = [name for name in {**before, **after} if name not in ("key", "itemFields")]
    for name in names:
        one, other = before.get(name), after.get(name)
        if one != other and name in _WORDS:
            yield f"{_WORDS[name]} {_said(one)} → {_said(other)}"
        elif one != other:
            yield name


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else repr(value)


def _ordered(value: Any) -> Any:
    """Return a manifest whose names are in one order, whoever wrote them."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    known = [name for name in ("variables", "loops", *_ORDER) if name in value]
    return {name: _ordered(value[name]) for name in (*known, *sorted(value.keys() - set(known)))}


Mistakes = Iterator[tuple[str, str]]


def _mistakes(body: object) -> Mistakes:
    """Yield what keeps JSON from being a template: the place and what is wrong there."""
    if not isinstance(body, dict):
        yield "", "this is no JSON object with name, description and manifest"
        return
    for name in sorted(body.keys() - set(_NAMES)):
        yield name, f"there is no such field; write {', '.join(_NAMES)}"
    yield from _text(body, "name", "", least=1, most=120)
    if body.get("description") is not None:
        yield from _text(body, "description", "", most=280)
    for name in ("layout", "pageConfig"):
        if not isinstance(body.get(name, {}), dict):
            yield name, "this is no JSON object"
    manifest = body.get("manifest")
    if not isinstance(manifest, dict):
        yield "manifest", "this is no JSON object with variables and loops"
        return
    yield from _variables(manifest, "variables", "manifest")
    for place, loop in _entries(manifest, "loops", "manifest"):
        if isinstance(loop, str):
            yield place, loop
            continue
        if "." in str(loop["key"]):
            yield f"{place}.key", "the key of a loop has no dots"
        yield from _variables(loop, "itemFields", place)
        if loop["itemFields"] == []:
            yield f"{place}.itemFields", "a loop has at least one field"


def _variables(holder: Entry, name: str, where: str) -> Mistakes:
    for place, entry in _entries(holder, name, where):
        if isinstance(entry, str):
            yield place, entry
            continue
        yield from _text(entry, "dataType", place, least=1)
        if not isinstance(entry.get("required", False), bool):
            yield f"{place}.required", "this is neither true nor false"
        if entry.get("format") is not None:
            yield from _text(entry, "format", place)


def _entries(holder: Entry, name: str, where: str) -> Iterator[tuple[str, Entry | str]]:
    """Yield the entries of a list that have a key of their own; of others what is wrong."""
    entries = holder.get(name)
    if not isinstance(entries, list):
        yield f"{where}.{name}", "this is no list"
        return
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        place = f"{where}.{name}[{number}]"
        if not isinstance(entry, dict):
            yield place, "this is no JSON object"
            continue
        for wrong_place, wrong in (
            *_text(entry, "key", place, least=1),
            *_text(entry, "label", place),
        ):
            yield wrong_place, wrong
            break
        else:
            if entry["key"] in seen:
                yield f"{place}.key", f"{entry['key']!r} is there twice"
            seen.add(entry["key"])
            yield place, entry


def _text(
    entry: Entry, name: str, where: str, *, least: int = 0, most: int | None = None
) -> Mistakes:
    place, value = f"{where}.{name}".lstrip("."), entry.get(name)
    if not isinstance(value, str):
        yield place, "this is no text"
    elif len(value) < least:
        yield place, "this is empty"
    elif most is not None and len(value) > most:
        yield place, f"this has {len(value)} characters; {most} are the most"
