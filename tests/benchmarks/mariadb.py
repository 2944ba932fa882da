"""What is measured on MariaDB, in a process of its own, which makes a database and drops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import django
from django.db import OperationalError, connection

from .measure import Figure, say

#: What ``MARIADB_URL`` is by default.
URL = "mysql://root@127.0.0.1:3306/craftkit"
#: The exit status where there is none.
UNREACHABLE = 3


def on_mariadb(rounds: int, finished: int, saves: int) -> list[Figure]:
    """Run this module on MariaDB, if there is one, and return its figures."""
    from . import claims

    environ = {
        **os.environ,
        "DATABASE_URL": os.environ.get("MARIADB_URL", URL),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", __name__, str(rounds), str(finished), str(saves)]
    process = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=False)
    if process.returncode == UNREACHABLE:
        note = "MARIADB_URL names no server that answers"
        return [
            Figure(claims.OVER_REMAINS.format(finished, "MariaDB"), at_most=3, note=note),
            Figure(claims.BESIDE_WORKERS.format(saves), at_most=0, note=note),
        ]
    process.check_returncode()
    return [Figure(**figure) for figure in json.loads(process.stdout)]


def main(rounds: int, finished: int, saves: int) -> int:
    try:
        with connection._nodb_cursor():  # type: ignore[attr-defined]
            pass
    except OperationalError as error:
        say(f"MariaDB: {error}")
        return UNREACHABLE
    from . import claims

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        figures = claims.over_remains(rounds, finished) + claims.beside_workers(saves)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    print(json.dumps([vars(figure) for figure in figures]))  # noqa: T201
    return 0


if __name__ == "__main__":
    django.setup()
    sys.exit(main(*map(int, sys.argv[1:])))
