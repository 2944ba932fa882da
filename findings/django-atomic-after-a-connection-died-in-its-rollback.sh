#!/usr/bin/env bash
# Django 5.2.19 with mysqlclient 2.3.2 and MariaDB 10.11: a connection that is lost between the ROLLBACK
# of an atomic() block and the return to autocommit makes the next block believe that it is an inner one.
#
# set_autocommit(True) fails at the end of the block, so autocommit stays off. The next atomic() finds
# it off, takes a transaction for open, and fails with its savepoint before its end can clean up:
# in_atomic_block stays True, close_if_unusable_or_obsolete() does nothing inside of a block, and every
# query of the thread fails until somebody closes the connection. Code that runs a block again after
# a deadlock gets there; close_if_unusable_or_obsolete() before the second run avoids it.
#
# Seen: "first: OperationalError; second: OperationalError; in a block: True; third:
# TransactionManagementError".
# Needs a MariaDB server: MARIADB_HOST (127.0.0.1), user root without a password, database test; and
# what mysqlclient is built with (libmariadb-dev, pkg-config, gcc).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check django==5.2.19 mysqlclient==2.3.2
cat > "$folder/show.py" <<'PYTHON'
import os

from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": os.environ.get("MARIADB_HOST", "127.0.0.1"),
            "USER": "root",
            "NAME": "test",
        }
    }
)
import django

django.setup()
from django.db import connection, connections, transaction

wrapper = connections["default"]
roll_back = wrapper.rollback


def lost_after_rollback():
    """What a server does that is shut down, or a proxy that drops the connection, in this moment."""
    wrapper.rollback = roll_back
    roll_back()
    number = wrapper.connection.thread_id()
    other = wrapper.copy()
    with other.cursor() as cursor:
        cursor.execute("KILL %s", [number])
    other.close()


def block(action):
    try:
        with transaction.atomic():
            action()
    except Exception as error:
        return type(error).__name__
    return "nothing"


def deadlock():
    wrapper.rollback = lost_after_rollback
    raise LookupError


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


first = block(deadlock)
second = block(query)
inside = connection.in_atomic_block
connection.close_if_unusable_or_obsolete()
third = block(query)
print(f"first: {first}; second: {second}; in a block: {inside}; third: {third}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "first: OperationalError; second: OperationalError; in a block: True; third: TransactionManagementError" ]
