"""The pages as data: their blocks of code, tables, headings and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
    ]
)

_MARKER = re.compile(r"<!-- (test|file): (\S+) -->")
_FENCE = re.compile(r"```(\S*)$")
_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment above it: ``<!-- test: scene -->``, ``<!-- file: path -->``.

    ``test`` names the scene that runs it, ``file`` where it belongs in the project that the page
    builds, or where in this one it is from.
    """

    page: Path
    line: int
    language: str
    text: str
    kind: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


@dataclass(frozen=True)
class Link:
    page: Path
    target: str
    is_picture: bool

    def __str__(self) -> str:
        return f"{name_of(self.page)}: {self.target}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    """Return the fenced blocks of all pages in these languages."""
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    start, above = None, ""
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if start is None and fence:
            start = number
        elif start is not None and line == "```":
            language = lines[start].removeprefix("```")
            marker = _MARKER.match(above)
            kind, name = marker.groups() if marker else ("", "")
            text = "\n".join(lines[start + 1 : number]) + "\n"
            found.append(Block(page, start + 1, language, text, kind, name))
            start = None
        if start is None and line.strip():
            above = line
    assert start is None, f"{name_of(page)}:{start} opens a block that never ends"
    return found


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def links() -> list[Link]:
    return [
        Link(page, target, bool(bang))
        for page in PAGES
        for bang, target in _LINK.findall(prose(page))
    ]


def anchors(page: Path) -> set[str]:
    """Return what a link to this page may name after the ``#``."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", prose(page), flags=re.M)
    }


def table(name: str, *columns: str) -> dict[str, dict[str, str]]:
    """Return the rows of a page's tables that begin with these columns, by their first cell."""
    found = tables(name, *columns)
    assert found, f"{name} has no table with the columns {columns}"
    return {key: row for rows in found for key, row in rows.items()}


def tables(name: str, *columns: str) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = []
    heads: list[str] = []
    for line in read(name).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
            if tuple(heads[: len(columns)]) == columns:
                found.append({})
        elif tuple(heads[: len(columns)]) == columns and not set(line) <= set("|- "):
            found[-1][cells[0].strip("`")] = dict(zip(heads, cells, strict=True))
    return found
