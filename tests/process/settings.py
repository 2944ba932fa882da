"""Settings of a process that a test starts; the test says in the environment where it works."""

from __future__ import annotations

import file_broker  # noqa: F401 - mends the broker that is used where no other is named

from tests.settings import *  # noqa: F403
from tests.settings import CRAFTKIT_PROJECTS, INSTALLED_APPS, STORAGES, env

INSTALLED_APPS = [*INSTALLED_APPS, "tests.process"]

_patience = env.int("CRAFTKIT_PATIENCE", default=4)
CRAFTKIT_PROJECTS = {
    "default": {
        **CRAFTKIT_PROJECTS["default"],
        "BASE_URL": env("CRAFTKIT_BASE_URL"),
        "TIMEOUT": (1, _patience),
    }
}
CRAFTKIT = {
    "LEASE": _patience + 2,
    "PROJECT_RESOLVER": env("CRAFTKIT_RESOLVER", default=None),
}

STORAGES = {
    **STORAGES,
    "craftkit": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": env("CRAFTKIT_ARCHIVE")},
    },
}

if env("CELERY_BROKER_URL").startswith("filesystem:"):
    _folder = env("CELERY_FOLDER")
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": _folder,
        "data_folder_out": _folder,
        "control_folder": f"{_folder}/control",
        "polling_interval": 0.1,
    }
CELERY_TASK_DEFAULT_QUEUE = env("CELERY_QUEUE")
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "craftkit.sweep",
        "schedule": 1.0,
        "options": {"expires": 2.0, "ignore_result": True},
    }
}
