#!/usr/bin/env bash
# MariaDB 10.11.19: a scan of a range of an index that is empty reads on, past the end of the range,
# over all entries of deleted rows up to the next one that is there.
#
# A table of jobs has an index (class, due_at, id). 20,000 jobs of class 1 are deleted while somebody's
# transaction is open that has read the table, a dump's, say: their entries stay. To find that
# nothing of class 0 is due, whose part of the index has never held anything, all of them are read:
# pages by the dozen, and by the thousand where millions were deleted. The part of class 2, which
# comes after them, is found empty at once. So a queue of urgent jobs that is empty is the slow one,
# and no lower bound helps.
#
# Seen: "pages read for class 0: more than 20; for class 2: fewer than 10".
# Needs a MariaDB server that nobody else keeps busy: MARIADB_HOST (127.0.0.1), user root without a
# password, database test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pymysql==1.1.2
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import os

import pymysql

JOBS = 20_000


def connect():
    host = os.environ.get("MARIADB_HOST", "127.0.0.1")
    return pymysql.connect(host=host, user="root", database="test", autocommit=True)


one, other = connect(), connect()
table = f"jobs_{os.getpid()}"


def query(sql, connection=one):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def pages_read(number):
    """Return how many pages a look for what is due of a class has read, at least."""
    counter = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_read_requests'"
    taken = []
    for _ in range(5):
        before = int(query(counter)[0][1])
        assert query(
            f"SELECT id FROM {table} WHERE class = {number} AND due_at >= 900 AND due_at <= 1000"
            " ORDER BY due_at, id LIMIT 50"
        ) == ()
        taken.append(int(query(counter)[0][1]) - before)
    return min(taken)


query(
    f"CREATE TABLE {table} (id int AUTO_INCREMENT PRIMARY KEY, class int, due_at int,"
    " INDEX (class, due_at, id)) ENGINE=InnoDB"
)
try:
    query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", other)
    query("START TRANSACTION WITH CONSISTENT SNAPSHOT", other)
    query(f"SELECT count(*) FROM {table}", other)
    query(f"INSERT INTO {table} (class, due_at) SELECT 1, 100 FROM seq_1_to_{JOBS}")
    query(f"DELETE FROM {table}")
    before, after = pages_read(0), pages_read(2)
finally:
    other.rollback()
    query(f"DROP TABLE {table}")
more = "more" if before > 20 else f"{before}, and no more"
fewer = "fewer" if after < 10 else f"{after}, and no fewer"
print(f"pages read for class 0: {more} than 20; for class 2: {fewer} than 10")
PYTHON
)
echo "$seen"
[ "$seen" = "pages read for class 0: more than 20; for class 2: fewer than 10" ]
