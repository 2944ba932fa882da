"""The sandbox as a program: its options, and what they make."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .app import DEFAULT_KEY, DEFAULT_PROJECT, Sandbox
from .server import DEFAULT_HOST, DEFAULT_PORT, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_SECRET = "sandbox-webhook-secret"  # noqa: S105 - of a service that exists in this process
SECRET_VARIABLE = "CRAFTKIT_SANDBOX_WEBHOOK_SECRET"  # noqa: S105 - the name of one


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
        "--public-url",
        metavar="URL",
        help="what links start with, if it isn't the address listened on; its host is answered for",
    )
    add(
        "--webhook-url",
        action="append",
        default=[],
        metavar="URL",
        help="where to send the webhooks of the first project; may be repeated",
    )
    add(
        "--webhook-secret",
        metavar="SECRET",
        help=f"what signs them; else ${SECRET_VARIABLE}, else {DEFAULT_SECRET}",
    )
    add(
        "--templates",
        type=Path,
        metavar="FILE",
        help="a JSON list of templates: bodies of PUT /v1/templates/{slug}, with their slug",
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
        "--remote-control",
        action="store_true",
        help="let other machines use /_sandbox/ too",
    )


def build(options: argparse.Namespace) -> Sandbox:
    """The sandbox that the options describe.

    Raises:
        ValueError: the file of templates is not one.
        OSError: it can't be read.
    """
    keys = {}
    for text in options.key or [DEFAULT_KEY]:
        project, _, key = text.rpartition("=")
        keys[key] = project or DEFAULT_PROJECT
    sandbox = Sandbox(
        api_keys=keys,
        public_url=options.public_url,
        render_time=options.render_seconds,
        lenient=options.lenient,
        remote_control=options.remote_control,
        templates=_templates(options.templates) if options.templates else (),
    )
    secret = options.webhook_secret or os.environ.get(SECRET_VARIABLE) or DEFAULT_SECRET
    for url in options.webhook_url:
        sandbox.subscribe(url, secret, project=next(iter(keys.values())))
    return sandbox


def _templates(path: Path) -> list[dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and isinstance(item.get("slug"), str) for item in content
    ):
        raise ValueError(f"{path} is not a JSON list of objects with a slug each")
    return content


def run(options: argparse.Namespace, write: Callable[[str], object]) -> None:
    """Serve what the options describe; `write` gets the lines for the person who started it."""

    def ready(url: str) -> None:
        write(f"Craftkit sandbox at {url}\n")
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
