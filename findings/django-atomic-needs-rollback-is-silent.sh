#!/usr/bin/env bash
# Django 5.2.19: leaving an atomic() block that needs a rollback rolls back and raises nothing.
#
# An error that leaves an inner atomic(savepoint=False), which is what save() of a child model, add() of
# a many-to-many field and delete() use, marks the outer block. Code between the two that catches the
# error leaves the outer block as if all was well, and every row that was written in it is gone.
# Expected by many: an error at the end of the outer block, as a query in it gets one.
#
# Seen: "left the block without an error; rows: 0".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check django==5.2.19
cat > "$folder/show.py" <<'PYTHON'
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
)
import django

django.setup()
from django.db import connection, transaction

with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE orders (number text)")
outcome = "left the block without an error"
try:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES ('1')")
        try:
            with transaction.atomic(savepoint=False):
                raise LookupError
        except LookupError:
            pass  # a signal's receiver that protects its sender, say
except Exception as error:
    outcome = type(error).__name__
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM orders")
    print(f"{outcome}; rows: {cursor.fetchone()[0]}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "left the block without an error; rows: 0" ]
