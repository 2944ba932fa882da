#!/usr/bin/env bash
# django-tenants 4.0.1: schema_context(…, database=…) and tenant_context, where TENANT_DB_ALIAS is not "default",
# go back to the tenant of the connection "default" when they are left, not to the one that was entered before.
#
# Both switch connections[database], whose default is TENANT_DB_ALIAS, and note connection.tenant before: that is
# always the connection "default". So nested contexts leave the outer one in the shared schema: queries that follow
# read and write there, without a word. Nothing is connected to here: which schema is next is known without.
#
# Seen: "inner: b; back in outer: public".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  django==5.2.19 django-tenants==4.0.1 "psycopg[binary]==3.3.9"
cat > "$folder/show.py" <<'PYTHON'
from django.conf import settings

settings.configure(
    DATABASES={
        alias: {"ENGINE": "django_tenants.postgresql_backend", "NAME": alias}
        for alias in ("default", "customers")
    },
    INSTALLED_APPS=["django.contrib.contenttypes"],
    TENANT_DB_ALIAS="customers",
)
import django

django.setup()
from django.db import connections
from django_tenants.utils import schema_context

with schema_context("a"):
    with schema_context("b"):
        inner = connections["customers"].schema_name
    print(f"inner: {inner}; back in outer: {connections['customers'].schema_name}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "inner: b; back in outer: public" ]
