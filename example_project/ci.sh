#!/bin/sh
# What this site's pipeline runs on each change, in this directory. CRAFTKIT_BASE_URL and
# CRAFTKIT_API_KEY are those of a project for tests; DATABASE_URL is an empty database.
set -e

python manage.py check --fail-level WARNING
python manage.py makemigrations --check --dry-run

# Fails if somebody has published a template anew, or has changed a file without publishing it.
python manage.py craftkit_templates check

# The worker reads which templates there are; nothing is to be rendered yet.
python manage.py migrate --verbosity 0
python manage.py craftkit_work --once

# The data of these objects are built, compared with the templates, and thrown away. The doctor
# wants to have seen a worker in the last minute.
python manage.py seed
python manage.py craftkit_doctor --deploy

# Which versions are pinned, only this compares with what the worker has read.
python manage.py check --database default --fail-level WARNING
