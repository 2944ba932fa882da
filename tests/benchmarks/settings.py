"""The suite's settings on PostgreSQL and a real broker, as a web process would have them."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import CRAFTKIT_PROJECTS, INSTALLED_APPS, env

_database = env.db_url("DATABASE_URL", default="postgres://postgres@127.0.0.1:5432/postgres")


def _named(suffix: str) -> dict[str, object]:
    name = f"test_craftkit_benchmarks_{os.getpid()}{suffix}"
    return {**_database, "CONN_MAX_AGE": None, "TEST": {"NAME": name}}


DATABASES = {
    "default": _named(""),
    # For pages: a site with few documents, and the same with many.
    "few": _named("_few"),
    "many": _named("_many"),
}
DATABASE_ROUTERS = ["tests.benchmarks.routers.Side"]
# Without the apps that listen to the package's signals.
INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app.startswith("django")),
    "guardian",
    "tests.benchmarks",
    "tests.benchmarks.by_hand",
]
CRAFTKIT_PROJECTS = {**CRAFTKIT_PROJECTS, "eu": CRAFTKIT_PROJECTS["default"]}
# Addresses of the next page have the host in them.
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.benchmarks.urls"

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
# Nobody reads it; it is deleted in the end.
CELERY_TASK_DEFAULT_QUEUE = f"craftkit-benchmarks-{os.getpid()}"

# What the process of a measure is told by its environment.
BY_HAND_HEARS_WEBHOOKS = False
