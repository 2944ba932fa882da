#!/usr/bin/env bash
# django-celery-beat 2.9.0: the DatabaseScheduler drops "expires" of an entry in CELERY_BEAT_SCHEDULE.
#
# Celery documents "options" of an entry as any argument of apply_async(), and its own scheduler passes
# "expires" on. The DatabaseScheduler writes entries to its table and keeps "expire_seconds" alone, under
# a name of its own; "expires" is taken by **kwargs and forgotten. So a task that is sent every 5 seconds
# piles up while no worker runs. An "expires" on the task itself is kept by both.
#
# Seen: "options of the entry that is sent: {}; with expire_seconds: {'expires': 5}".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  django==5.2.19 celery==5.7.0 django-celery-beat==2.9.0
cat > "$folder/show.py" <<'PYTHON'
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_beat"],
    USE_TZ=True,
)
import django

django.setup()
from celery import Celery
from django.core.management import call_command

call_command("migrate", verbosity=0)
app = Celery("shop", broker="memory://", set_as_current=True)
app.conf.beat_schedule = {
    "one": {"task": "shop.look", "schedule": 5.0, "options": {"expires": 5.0}},
    "other": {"task": "shop.look", "schedule": 5.0, "options": {"expire_seconds": 5}},
}
from django_celery_beat.schedulers import DatabaseScheduler

scheduler = DatabaseScheduler(app=app)
one, other = (
    {k: v for k, v in scheduler.schedule[name].options.items() if k == "expires"}
    for name in ("one", "other")
)
print(f"options of the entry that is sent: {one}; with expire_seconds: {other}")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/show.py")
echo "$seen"
[ "$seen" = "options of the entry that is sent: {}; with expire_seconds: {'expires': 5}" ]
