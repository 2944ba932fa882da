"""The sandbox as a program: its options, and what they make."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .app import (
    DEFAULT_ACCOUNT_KEY,
    DEFAULT_ADMIN_KEY,
    DEFAULT_KEY,
    DEFAULT_PROJECT,
    Sandbox,
)
from .core.projects import DEFAULT_ACCOUNT
from .server import DEFAULT_HOST, DEFAULT_PORT, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_SECRET = "sandbox-webhook-secret"  # noqa: S105 - of a service that exists in this process
SECRET_VARIABLE = "CRAFTKIT_SANDBOX_WEBHOOK_SECRET"  # noqa: S105 - the name of one

# What stands before the first "=" is a project, if it is no part of a URL.
_NAMED_URL = re.compile(r"([^=:/?#]+)=(.*)", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the program; `manage.py craftkit_sandbox` takes the same."""
    add = parser.add_argument
    add("--host", default=DEFAULT_HOST, help="address to listen on (%(default)s)")
    add("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (%(default)s)")
    add(
        "--key",
        action="append",
        metavar="[PROJECT=]KEY",
        help=f"an API key that is accepted; may be repeated ({DEFAULT_KEY})",
    )
    add(
        "--account-key",
        action="append",
        metavar="[ACCOUNT=]KEY",
        help=f"a key that is accepted for /v1/projects; may be repeated ({DEFAULT_ACCOUNT_KEY})",
    )
    add(
        "--admin-key",
        metavar="KEY",
        help=f"the key that is accepted for /v1/admin/provision ({DEFAULT_ADMIN_KEY})",
    )
    add(
        "--public-url",
        metavar="URL",
        help="what links start with, if it isn't the address listened on; its host is answered for",
    )
    add(
        "--webhook-url",
        action="append",
        default=[],
        metavar="[PROJECT=]URL",
        help="where to send the webhooks of a project, else of the first; may be repeated",
    )
    add(
        "--webhook-secret",
        action="append",
        metavar="[PROJECT=]SECRET",
        help=f"what signs them; may be repeated; else ${SECRET_VARIABLE}, else {DEFAULT_SECRET}",
    )
    add(
        "--templates",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a JSON list of templates: bodies of PUT /v1/templates/{slug}, with their slug, and "
        "layoutTexts if need be; or a directory of such bodies, each in <slug>.json; may be "
        "repeated",
    )
    add(
        "--render-seconds",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long a render takes (%(default)s)",
    )
    add(
        "--lenient",
        action="store_true",
        help="any slug is a template, and takes any data",
    )
    add(
        "--strict-anchors",
        action="store_true",
        help="refuse anchor tags whose text isn't in the PDF, as Craftkit does not",
    )
    add(
        "--remote-control",
        action="store_true",
        help="let other machines use /_sandbox/ too",
    )


def build(options: argparse.Namespace) -> Sandbox:
    """The sandbox that the options describe.

    Raises:
        ValueError: the file of templates is not one; no key opens the project of a webhook; one
            key is of two kinds.
        OSError: the file can't be read.
    """
    keys = _owners(options.key or [DEFAULT_KEY], DEFAULT_PROJECT)
    sandbox = Sandbox(
        api_keys=keys,
        account_keys=_owners(options.account_key or [DEFAULT_ACCOUNT_KEY], DEFAULT_ACCOUNT),
        admin_key=options.admin_key or DEFAULT_ADMIN_KEY,
        public_url=options.public_url,
        render_time=options.render_seconds,
        lenient=options.lenient,
        strict_anchors=options.strict_anchors,
        remote_control=options.remote_control,
        templates=[one for path in options.templates for one in _templates(path)],
    )
    _subscribe(sandbox, options, list(keys.values()))
    return sandbox


def _owners(texts: Sequence[str], default: str) -> dict[str, str]:
    """The owner of each key of `[OWNER=]KEY`."""
    parts = [text.rpartition("=") for text in texts]
    return {key: owner or default for owner, _, key in parts}


def _subscribe(sandbox: Sandbox, options: argparse.Namespace, projects: list[str]) -> None:
    """Subscribe each URL for its project, under the project's secret."""
    shared = os.environ.get(SECRET_VARIABLE) or DEFAULT_SECRET
    own: dict[str, str] = {}
    given = options.webhook_secret or []
    for text in [given] if isinstance(given, str) else given:  # of call_command
        project, equals, secret = text.partition("=")
        # A secret may hold "=" itself.
        if equals and project in projects:
            own[project] = secret
        else:
            shared = text
    for text in options.webhook_url:
        named = _NAMED_URL.fullmatch(text)
        project, url = (named[1], named[2]) if named else (projects[0], text)
        sandbox.subscribe(url, own.get(project) or shared, project=project)


def _templates(path: Path) -> list[dict[str, object]]:
    if path.is_dir():
        return _templates_of_directory(path)
    content = _read(path)
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and isinstance(item.get("slug"), str) for item in content
    ):
        raise ValueError(f"{path} is not a JSON list of objects with a slug each")
    return content


def _templates_of_directory(directory: Path) -> list[dict[str, object]]:
    """Read files as `craftkit_templates pull` writes them."""
    templates = []
    for path in sorted(directory.glob("*.json")):
        content = _read(path)
        if not isinstance(content, dict):
            raise ValueError(f"{path} is not a JSON object")
        templates.append({**content, "slug": path.stem})
    if not templates:
        raise ValueError(f"{directory} has no files <slug>.json")
    return templates


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def run(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Serve what the options describe; `write` gets the lines for the person who started it."""

    def ready(url: str) -> None:
        write(f"Craftkit sandbox at {url}\n")
        # Those that were given are known to whoever gave them, and may be worth something.
        defaults = [
            default
            for given, default in (
                (options.key, f"{DEFAULT_KEY} (project)"),
                (options.account_key, f"{DEFAULT_ACCOUNT_KEY} (account)"),
                (options.admin_key, f"{DEFAULT_ADMIN_KEY} (admin)"),
            )
            if not given
        ]
        if defaults:
            write(f"Keys: {', '.join(defaults)}\n")
        write(f"Look inside at {url}/_sandbox/, end with Ctrl-C\n")

    serve(build(options), host=options.host, port=options.port, ready=ready)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m django_craftkit.sandbox`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m django_craftkit.sandbox",
        description="A local Craftkit: the REST API, real PDFs, share pages, signed webhooks.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("fontTools").setLevel(logging.WARNING)

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()  # whoever waits for the address may read it through a pipe

    try:
        run(options, write)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"craftkit sandbox: {error}\n")
        return 1
    return 0
