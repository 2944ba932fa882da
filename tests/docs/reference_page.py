"""What the built reference shows: each name with its description, as Sphinx made the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from tests.docs.pages import DOCS, ROOT

#: What ``dataclass`` and models say of a class without a docstring: its arguments.
_MADE_UP = re.compile(r"^\w+\(.*\)$", re.S)


@dataclass(frozen=True)
class Entry:
    """A name of the page, what it is (``method``, ``property``, …), and what is told of it."""

    name: str
    kind: str
    arguments: tuple[str, ...]
    description: str

    @property
    def is_described(self) -> bool:
        return bool(self.description) and not _MADE_UP.match(self.description)

    @property
    def unexplained(self) -> list[str]:
        """The arguments that the description doesn't name."""
        named = set(re.findall(r"\w+", self.description))
        return [argument for argument in self.arguments if argument not in named]


@cache
def entries() -> dict[str, Entry]:
    """Return what the page shows, by its dotted names."""
    page, problems = _built()
    assert page, problems
    found = [_entry(node) for node in ElementTree.fromstring(page).iter("desc")]
    return {entry.name: entry for entry in found}


@cache
def _built() -> tuple[str, str]:
    """Build the reference alone; return it as XML, and what Sphinx had to say."""
    with TemporaryDirectory() as folder:
        source, out = Path(folder, "docs"), Path(folder, "out")
        source.mkdir()
        shutil.copy(DOCS / "reference.md", source)
        # Links to the other pages lead nowhere here; "make docs" looks at them.
        options = ["-q", "-b", "xml", "-c", str(DOCS), "-D", "master_doc=reference"]
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", *options, str(source), str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        page = out / "reference.xml"
        return page.read_text() if done.returncode == 0 else "", done.stderr


def _entry(node: ElementTree.Element) -> Entry:
    signature = node.find("desc_signature")
    assert signature is not None
    described = node.find("desc_content")
    own = [] if described is None else [part for part in described if part.tag != "desc"]
    parameters = ["".join(parameter.itertext()) for parameter in signature.iter("desc_parameter")]
    names = [re.match(r"\W*(\w*)", parameter) for parameter in parameters]
    return Entry(
        name=signature.attrib.get("ids", "".join(signature.itertext())),
        kind=node.attrib["objtype"],
        arguments=tuple(name[1] for name in names if name and name[1]),
        description=" ".join("".join(part.itertext()).strip() for part in own).strip(),
    )
