"""Settings of a worker that a test starts, with tenants in two databases."""

from __future__ import annotations

from django_craftkit import beat_schedule
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, STORAGES, env

DATABASES = {
    alias: {**given, "NAME": env(f"CRAFTKIT_DATABASE_{alias}")}
    for alias, given in DATABASES.items()
}
DATABASE_ROUTERS = ["tests.tenants.databases.Router"]

_patience = 4
CRAFTKIT = {"TENANTS": "tests.tenants.databases.Databases", "LEASE": _patience + 2}
CRAFTKIT_PROJECTS = {
    alias: {
        "API_KEY": f"ck_test_{alias}",
        "BASE_URL": env("CRAFTKIT_BASE_URL"),
        "TIMEOUT": (1, _patience),
    }
    for alias in ("default", "eu")
}
STORAGES = {
    **STORAGES,
    "craftkit": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": env("CRAFTKIT_ARCHIVE")},
    },
}
CELERY_TASK_DEFAULT_QUEUE = env("CELERY_QUEUE")
CELERY_BEAT_SCHEDULE = beat_schedule()
