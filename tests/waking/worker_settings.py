"""A project whose tasks are rows of django-tasks-db, for the processes of test_db_worker.py."""

from __future__ import annotations

import os

SECRET_KEY = "only for this"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "db.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django_craftkit",
    "django_tasks_db",
]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
CRAFTKIT_PROJECTS = {
    "default": {"API_KEY": "ck_test_sandbox", "BASE_URL": os.environ["CRAFTKIT_BASE_URL"]}
}
CRAFTKIT = {"WAKE": "tasks"}
