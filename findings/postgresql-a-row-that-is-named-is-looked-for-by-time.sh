#!/usr/bin/env bash
# PostgreSQL 15: a row of a job table that is named by its primary key is looked for by time.
#
# Where all jobs waited when the table was last analyzed, the planner takes "due now" for next to no
# row, and an index of due_at for cheaper than the primary key: "id = 1 AND due_at <= now()", and
# the same with a list of keys, walk over all in that index that is due or was. With remains that
# nobody may clean up, a dump's for instance, that is all that was ever done, for one row. An
# expression of due_at, which no index has, brings it back to the key.
#
# Seen: "one key: jobs_due; a list: jobs_due; a list, due_at + '0': jobs_pkey".
# Needs a PostgreSQL server: POSTGRES_URL, or postgresql://postgres@127.0.0.1:5432/postgres.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "psycopg[binary]==3.3.9"
cat > "$folder/show.py" <<'PYTHON'
import os
import re

import psycopg

connection = psycopg.connect(
    os.environ.get("POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    autocommit=True,
)
run = connection.execute
run("CREATE TEMPORARY TABLE jobs (id bigint PRIMARY KEY, due_at timestamptz NOT NULL)")
run("CREATE INDEX jobs_due ON jobs (due_at, id)")
run("INSERT INTO jobs SELECT n, now() + interval '2 hours' FROM generate_series(1, 400) n")
run("VACUUM ANALYZE jobs")
run("TRUNCATE jobs")
run("VACUUM ANALYZE jobs")
run("INSERT INTO jobs SELECT n, now() FROM generate_series(1, 50000) n")


def index_of(where: str) -> str:
    plan = run(f"EXPLAIN SELECT * FROM jobs WHERE {where} FOR UPDATE SKIP LOCKED").fetchall()
    return re.search(r"using (\w+)", "\n".join(line for (line,) in plan)).group(1)


due, hidden = "due_at <= now()", "due_at + interval '0' <= now()"
print(
    f"one key: {index_of(f'id = 1 AND {due}')}; "
    f"a list: {index_of(f'id IN (1, 2) AND {due}')}; "
    f"a list, due_at + '0': {index_of(f'id IN (1, 2) AND {hidden}')}"
)
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "one key: jobs_due; a list: jobs_due; a list, due_at + '0': jobs_pkey" ]
