#!/usr/bin/env bash
# PostgreSQL 15 with psycopg 3.3.9: COMMIT of a transaction in which a statement failed is no error.
#
# The server rolls back and answers with the command tag ROLLBACK in place of COMMIT; the client's
# commit() returns. Who caught the error of the statement, and commits, is told nothing of the rows
# that are gone.
#
# Seen: "status before: INERROR; COMMIT answers: ROLLBACK; commit() raised: nothing; rows: 0".
# Needs a PostgreSQL server: POSTGRES_URL, or postgresql://postgres@127.0.0.1:5432/postgres.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "psycopg[binary]==3.3.9"
cat > "$folder/show.py" <<'PYTHON'
import os

import psycopg

connection = psycopg.connect(
    os.environ.get("POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
)
connection.execute("CREATE TEMPORARY TABLE orders (number text)")
connection.commit()


def fail() -> None:
    connection.execute("INSERT INTO orders VALUES ('1')")
    try:
        connection.execute("SELECT * FROM no_such_table")
    except psycopg.Error:
        pass


fail()
status = connection.info.transaction_status.name
tag = connection.execute("COMMIT").statusmessage
fail()
raised = "nothing"
try:
    connection.commit()
except psycopg.Error as error:
    raised = type(error).__name__
(rows,) = connection.execute("SELECT count(*) FROM orders").fetchone()
print(f"status before: {status}; COMMIT answers: {tag}; commit() raised: {raised}; rows: {rows}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "status before: INERROR; COMMIT answers: ROLLBACK; commit() raised: nothing; rows: 0" ]
