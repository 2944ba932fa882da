"""``manage.py craftkit_templates``: Craftkit's templates, and files of them in the repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from django_craftkit.client import CraftkitError, InvalidRequest, NotFound
from django_craftkit.conf import DEFAULT_PROJECT
from django_craftkit.credentials import ProjectUnavailable
from django_craftkit.database import database
from django_craftkit.declarations import declared
from django_craftkit.failures import is_in_transaction
from django_craftkit.management.template_files import Content, NoTemplate, differences
from django_craftkit.management.tenants import TenantCommand
from django_craftkit.models import Template
from django_craftkit.projects import get_client
from django_craftkit.reconcile.templates import SLUG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django_craftkit import client

#: Where the files are, from the directory that the command is called in.
DIRECTORY = "craftkit_templates"


class Command(TenantCommand):
    # Tenants may share a project: all it takes is to do it in one of them.
    in_all = False
    help = (
        "Lists Craftkit's templates, writes them to files (pull), publishes them from these files "
        "(push), or compares both (check)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True, metavar="list|pull|push|check")
        for act, text in (
            ("list", "show the templates that Craftkit has, and which declarations use them"),
            ("pull", "write Craftkit's templates to files, where they differ"),
            ("push", "publish the files that differ: each becomes a new version"),
            ("check", "compare files with Craftkit; end with 1 where they differ"),
        ):
            sub = acts.add_parser(act, help=text)
            sub.add_argument(
                "--project", default=DEFAULT_PROJECT, help="an alias; default: default"
            )
            if act == "list":
                continue
            sub.add_argument("slug", nargs="*", help="only these templates; default: all")
            sub.add_argument(
                "--dir", type=Path, default=Path(DIRECTORY), help=f"default: {DIRECTORY}/"
            )
            if act == "push":
                sub.add_argument(
                    "--force", action="store_true", help="publish files that don't differ, too"
                )

    def handle_tenant(self, **options: Any) -> None:
        self._project = options["project"]
        try:
            self._templates = get_client(self._project).templates
            if options["act"] == "list":
                self._list()
                return
            for slug in options["slug"]:
                if not SLUG.fullmatch(slug):
                    raise CommandError(f"{slug!r} is no slug: write a-z, 0-9 and -.")
            if options["act"] == "pull":
                self._pull(options["dir"], options["slug"])
            elif options["act"] == "push":
                self._push(options["dir"], options["slug"], force=options["force"])
            else:
                self._check(options["dir"], options["slug"])
        except (ImproperlyConfigured, NoTemplate, ProjectUnavailable) as error:
            raise CommandError(str(error)) from None
        except CraftkitError as error:
            raise CommandError(_told(error)) from None

    def _list(self) -> None:
        listed = self._listed()
        users: dict[str, list[str]] = {}
        for one in declared():
            if one.project == self._project:
                users.setdefault(one.template, []).append(one.name)
        rows = [("slug", "version", "published", "used by")]
        for slug in sorted({*listed, *users}):
            said = listed.get(slug)
            used = ", ".join(sorted(users.get(slug, []))) or "–"
            if said is None:
                rows.append((slug, "–", "not there", used))
                continue
            number = said.current_version_number
            # Some answers of Craftkit's leave it out.
            published = number is not None if said.published is None else said.published
            version = "–" if number is None else str(number)
            rows.append((slug, version, "yes" if published else "no", used))
        widths = [max(len(row[n]) for row in rows) for n in range(3)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            self.stdout.write("  ".join((*cells, row[3])))

    def _pull(self, directory: Path, slugs: list[str]) -> None:
        written = left = 0
        for slug in slugs or sorted(self._listed()):
            said = self._read(slug)
            if said is None:
                raise CommandError(f"Project {self._project!r} has no template {slug!r}.")
            content = Content.of(said)
            if content is None:
                left += self._has_no_manifest(slug, said)
                continue
            path = _path(directory, slug)
            before = Content.read(path) if path.exists() else None
            if before is not None:
                # Craftkit does not tell these, so the file's own stay.
                content = replace(content, layout=before.layout, page_config=before.page_config)
            if before == content:
                continue
            self._say(f"{path}:", differences(before, content))
            content.write(path)
            written += 1
        self.stdout.write(f"{written} files written.")
        if left:
            raise CommandError(f"{left} templates could not be read.")

    def _push(self, directory: Path, slugs: list[str], *, force: bool) -> None:
        # All of them, before the first one is published.
        files = _files(directory, slugs)
        published = 0
        for slug, content in files.items():
            said = self._read(slug)
            before = None if said is None else Content.of(said)
            lines = differences(before, content)
            if not lines and before is not None and not force:
                continue
            self._say(f"{slug}:", lines)
            if said is not None and content.layout is None:
                self.stdout.write(
                    "  ! its layout is made anew from the manifest: there is none here"
                )
            made = self._put(slug, content)
            self.stdout.write(f"  version {made.current_version_number} is published.")
            published += 1
        self.stdout.write(f"{published} of {len(files)} templates published.")
        if published:
            self._refresh()

    def _put(self, slug: str, content: Content) -> client.PublishedTemplate:
        try:
            return self._templates.put(
                slug,
                content.name,
                content.manifest,
                description=content.description,
                layout=content.layout,
                page_config=content.page_config,
            )
        except CraftkitError as error:
            doubt = (
                " It may have been published all the same: run check."
                if error.maybe_handled
                else ""
            )
            raise CommandError(f"{slug} was not published: {_told(error)}{doubt}") from None

    def _check(self, directory: Path, slugs: list[str]) -> None:
        files = _files(directory, slugs)
        different = 0
        for slug, content in files.items():
            said = self._read(slug)
            if said is None:
                self._say(f"{slug}:", ["+ it is not there at Craftkit"])
                different += 1
                continue
            before = Content.of(said)
            if before is None:
                different += 1
                self._has_no_manifest(slug, said)
            elif lines := differences(before, content):
                self._say(f"{slug}:", lines)
                different += 1
        if not slugs and (others := sorted(self._listed().keys() - files.keys())):
            self.stdout.write(f"Without a file: {', '.join(others)}.")
        if different:
            raise CommandError(
                f"{different} of {len(files)} files differ from Craftkit (+ is in the file only, - "
                "at Craftkit only). Run push or pull."
            )
        self.stdout.write(f"{len(files)} files are as they are at Craftkit.")

    def _listed(self) -> dict[str, client.TemplateSummary]:
        listed = self._templates.list()
        if left_out := listed.unreadable.get("templates"):
            self.stderr.write(f"{len(left_out)} templates can't be read and are left out.")
        for said in listed:
            if not SLUG.fullmatch(said.slug):
                self.stderr.write(f"{said.slug!r} is left out: it can be no file's name.")
        return {said.slug: said for said in listed if SLUG.fullmatch(said.slug)}

    def _read(self, slug: str) -> client.Template | None:
        try:
            return self._templates.get(slug)
        except NotFound as error:
            if error.is_passing:
                raise
            return None

    def _has_no_manifest(self, slug: str, said: client.Template) -> bool:
        """Say why a template has no manifest; return whether that is a mistake."""
        is_odd = said.published is not False
        why = "its manifest can't be read" if is_odd else "no version is published"
        self._say(f"{slug}:", [f"! {why}"])
        return is_odd

    def _refresh(self) -> None:
        """Have the mirror read what was published."""
        try:
            Template.objects.refresh(self._project)
        except (DatabaseError, InterfaceError) as error:
            if is_in_transaction(connections[database()]):
                raise  # it is the caller's, and lost
            # Where templates are published, there need be no database.
            self.stderr.write(f"Workers read them within the hour: {error}")

    def _say(self, title: str, lines: Iterable[str]) -> None:
        self.stdout.write(title)
        for line in lines:
            self.stdout.write(f"  {line}")


def _files(directory: Path, slugs: list[str]) -> Mapping[str, Content]:
    """Return what is in the files of a directory, by slug; raises ``NoTemplate``."""
    if slugs:
        return {slug: Content.read(_path(directory, slug)) for slug in slugs}
    found = {path.stem: path for path in sorted(directory.glob("*.json"))}
    if not found:
        raise NoTemplate(
            f"{directory} has no files of templates: pull some, or name it with --dir."
        )
    for slug, path in found.items():
        if not SLUG.fullmatch(slug):
            raise NoTemplate(f"{path}: {slug!r} is no slug: write a-z, 0-9 and -.")
    return {slug: Content.read(path) for slug, path in found.items()}


def _path(directory: Path, slug: str) -> Path:
    return directory / f"{slug}.json"


def _told(error: CraftkitError) -> str:
    """Return what Craftkit says, and of which fields."""
    fields = error.field_errors if isinstance(error, InvalidRequest) else {}
    lines = [str(error), *(f"  {name}: {'; '.join(said)}" for name, said in fields.items())]
    return "\n".join(lines)
