#!/usr/bin/env bash
# MariaDB 10.11.19: the UUID type refuses some well-formed UUIDs, and INSERT IGNORE makes one of them.
#
# Refused are those that are of no variant or version that it knows: version digit "e" with variant
# digit "2", say. CAST gives NULL with a warning, INSERT an error 1292. INSERT IGNORE, as an inbox uses it
# to skip what it has, stores the all-zero UUID in place of each: the first is kept under a wrong id, the
# second is taken for the first, and is lost. PostgreSQL takes them. Django uses this type for UUIDField.
#
# Seen: "cast: None; insert: 1292; after two INSERT IGNORE: ['00000000-0000-0000-0000-000000000000']".
# Needs a MariaDB server: MARIADB_HOST (127.0.0.1), user root without a password, database test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pymysql==1.1.2
seen=$("$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os

import pymysql

one, other = (f"eccbc87e-4b5c-e2fe-2830-8fd9f2a7baf{number}" for number in (1, 2))
connection = pymysql.connect(
    host=os.environ.get("MARIADB_HOST", "127.0.0.1"), user="root", database="test", autocommit=True
)
with connection.cursor() as cursor:
    cursor.execute("SET SESSION sql_mode = 'STRICT_TRANS_TABLES'")
    cursor.execute("CREATE TEMPORARY TABLE inbox (id uuid NOT NULL PRIMARY KEY)")
    cursor.execute("SELECT CAST(%s AS UUID)", [one])
    (cast,) = cursor.fetchone()
    inserted = "done"
    try:
        cursor.execute("INSERT INTO inbox VALUES (%s)", [one])
    except pymysql.MySQLError as error:
        inserted = error.args[0]
    for delivery in (one, other):
        cursor.execute("INSERT IGNORE INTO inbox VALUES (%s)", [delivery])
    cursor.execute("SELECT id FROM inbox")
    kept = [str(row[0]) for row in cursor.fetchall()]
print(f"cast: {cast}; insert: {inserted}; after two INSERT IGNORE: {kept}")
PYTHON
)
echo "$seen"
wanted="cast: None; insert: 1292; after two INSERT IGNORE: ['00000000-0000-0000-0000-000000000000']"
[ "$seen" = "$wanted" ]
