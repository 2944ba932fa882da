"""Settings of every process of a run: the first one names the run, and tells the others."""

from __future__ import annotations

import os

from django_craftkit import beat_schedule
from tests.settings import *  # noqa: F403
from tests.settings import CRAFTKIT_PROJECTS, INSTALLED_APPS, STORAGES, env

#: The name of its database, and what all of its keys in Redis begin with.
ENDURANCE_RUN = env.str("ENDURANCE_RUN", default=f"test_craftkit_endurance_{os.getpid()}")

_database = env.db_url("DATABASE_URL", default="postgres://postgres@127.0.0.1:5432/postgres")
if "ENDURANCE_RUN" in os.environ:
    _database["NAME"] = ENDURANCE_RUN
DATABASES = {"default": {**_database, "TEST": {"NAME": ENDURANCE_RUN}}}

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app.startswith("django")),
    "tests.endurance",
]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "django_craftkit.urls"

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": f"{ENDURANCE_RUN}:"}
CELERY_BEAT_SCHEDULE = beat_schedule()

CRAFTKIT_PROJECTS = {
    "default": {
        **CRAFTKIT_PROJECTS["default"],
        "BASE_URL": env.str("ENDURANCE_BASE_URL", default="http://127.0.0.1:9"),
        "TIMEOUT": (1.0, 4.0),
    }
}
# Short, so that what a killed worker had is soon another's: a run is about many such moments.
CRAFTKIT = {"LEASE": 10}

ENDURANCE_ARCHIVE = env.str("ENDURANCE_ARCHIVE", default="")
STORAGES = {
    **STORAGES,
    "craftkit": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ENDURANCE_ARCHIVE},
    },
}
