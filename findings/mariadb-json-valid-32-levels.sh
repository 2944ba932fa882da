#!/usr/bin/env bash
# MariaDB 10.11.19: JSON that is nested 32 levels deep is "not valid JSON".
#
# JSON_VALID() answers 0 for it, as for a syntax error, and names no limit. Django's JSONField has a
# CHECK (JSON_VALID(...)), so inserting such data is an IntegrityError there. 31 levels are taken.
# SQLite 3.40 takes 1,000 and more, PostgreSQL 15 took 10,000.
#
# Seen: "31 levels: 1; 32 levels: 0".
# Needs a MariaDB server: MARIADB_HOST (127.0.0.1), user root without a password.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pymysql==1.1.2
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import os

import pymysql

connection = pymysql.connect(host=os.environ.get("MARIADB_HOST", "127.0.0.1"), user="root")
valid = {}
with connection.cursor() as cursor:
    for depth in (31, 32):
        cursor.execute("SELECT JSON_VALID(%s)", ["[" * depth + "]" * depth])
        (valid[depth],) = cursor.fetchone()
print("; ".join(f"{depth} levels: {answer}" for depth, answer in valid.items()))
PYTHON
)
echo "$seen"
[ "$seen" = "31 levels: 1; 32 levels: 0" ]
