#!/usr/bin/env bash
# MariaDB 10.11.19: an ALTER TABLE that waits makes a transaction that has read the table, and then
# writes to it, lose a deadlock.
#
# The transaction holds the table's metadata for reading, the ALTER waits for it, and the INSERT asks
# for more than the transaction has, behind the ALTER: 1213 at once, and all of it is rolled back. So
# a migration that adds one nullable column can cost a request its transaction, though each waits for
# no row of the other. The ALTER goes through.
#
# Seen: "the insert: 1213; the alter: done".
# Needs a MariaDB server: MARIADB_HOST (127.0.0.1), user root without a password, database test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pymysql==1.1.2
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import os
import threading
import time

import pymysql


def connect():
    host = os.environ.get("MARIADB_HOST", "127.0.0.1")
    return pymysql.connect(host=host, user="root", database="test", autocommit=True)


one, other, watch = connect(), connect(), connect()
table = f"alter_{os.getpid()}"
one.cursor().execute(f"CREATE TABLE {table} (id int)")
outcome = {}


def alter():
    other.cursor().execute(f"ALTER TABLE {table} ADD COLUMN note text NULL")
    outcome["alter"] = "done"


try:
    one.begin()
    one.cursor().execute(f"SELECT count(*) FROM {table}")
    thread = threading.Thread(target=alter)
    thread.start()
    state = ""
    while "metadata lock" not in state:
        time.sleep(0.05)
        with watch.cursor() as cursor:
            cursor.execute("SELECT state FROM information_schema.processlist WHERE info LIKE 'ALTER%'")
            state = " ".join(row[0] or "" for row in cursor.fetchall())
    try:
        one.cursor().execute(f"INSERT INTO {table} (id) VALUES (1)")
        outcome["insert"] = "done"
    except pymysql.MySQLError as error:
        outcome["insert"] = error.args[0]
    one.rollback()
    thread.join()
finally:
    one.cursor().execute(f"DROP TABLE {table}")
print(f"the insert: {outcome['insert']}; the alter: {outcome['alter']}")
PYTHON
)
echo "$seen"
[ "$seen" = "the insert: 1213; the alter: done" ]
