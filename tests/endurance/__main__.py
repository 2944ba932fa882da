"""Exit status 1 where something was lost, doubled or left, which is named then."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from collections.abc import Iterator


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    add = options.add_argument
    add("--events", type=int, default=10_000, help="how many are committed (%(default)s)")
    add("--database", metavar="URL", help="a server of PostgreSQL or MariaDB; else DATABASE_URL")
    add("--seed", type=int, help="of the mix, the kills and the faults; another one each time")
    add("--faults", action="store_true", help="let Craftkit fail, too")
    add("--every", type=float, default=4.0, help="seconds between two kills, 0: none (%(default)s)")
    add("--workers", type=int, default=2, help="Celery workers, of two processes (%(default)s)")
    add("--patience", type=float, default=600.0, help="seconds to wait for quiet (%(default)s)")
    add("--keep", action="store_true", help="leave the database and the logs")
    return options


def main() -> int:
    options = parser().parse_args()
    if options.database:
        os.environ["DATABASE_URL"] = options.database
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.endurance.settings"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    django.setup()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    with _database(keep=options.keep), _redis(), _folder(keep=options.keep) as folder:
        from .run import run

        return int(not run(options, seed, folder))


@contextmanager
def _database(*, keep: bool) -> Iterator[None]:
    """Make a database for the run, and drop it."""
    from django.db import connection

    if connection.vendor not in ("postgresql", "mysql"):
        sys.exit("It wants a server of PostgreSQL or MariaDB, by --database or DATABASE_URL.")
    name = connection.settings_dict["NAME"]
    creation: Any = connection.creation
    try:
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        yield
    finally:
        # Also where making it failed half way; where it has not begun, this is another's.
        if connection.settings_dict["NAME"] != name and not keep:
            creation.destroy_test_db(name, verbosity=0)


@contextmanager
def _redis() -> Iterator[None]:
    """Delete what the run has left in Redis."""
    from django.conf import settings
    from redis import Redis

    with Redis.from_url(settings.CELERY_BROKER_URL) as redis:
        redis.ping()
        try:
            yield
        finally:
            for key in redis.scan_iter(f"{settings.ENDURANCE_RUN}:*"):
                redis.delete(key)


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="craftkit-endurance-"))
    try:
        yield folder
    finally:
        if keep:
            print(f"Logs are in {folder}.", file=sys.stderr)  # noqa: T201
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
