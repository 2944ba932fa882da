"""Settings of the server that a test starts; the test says in the environment where it works."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import CRAFTKIT, CRAFTKIT_PROJECTS, STORAGES, env

ROOT_URLCONF = "tests.asgi.urls"
ALLOWED_HOSTS = ["127.0.0.1"]

CRAFTKIT_PROJECTS = {
    "default": {**CRAFTKIT_PROJECTS["default"], "BASE_URL": env("CRAFTKIT_BASE_URL")}
}
CRAFTKIT = {**CRAFTKIT, "WEBHOOK_MAX_BYTES": 10_000}
STORAGES = {
    **STORAGES,
    "craftkit": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": env("CRAFTKIT_ARCHIVE")},
    },
}
