"""Settings of the suite: embedded; real services by DATABASE_URL and CELERY_BROKER_URL."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import environ
from django.conf import global_settings

env = environ.Env()
ROOT = Path(__file__).parent

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "Europe/Athens"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_database = env.db_url("DATABASE_URL", default=f"sqlite:///{tempfile.gettempdir()}/craftkit.db")
_test_names = [f"test_{_database['NAME']}", f"test_{_database['NAME']}_other"]
if _database["ENGINE"].endswith("sqlite3"):
    # Files, not memory: threads and other processes are part of what is tested.
    _test_names = [f"{_database['NAME']}-{os.getpid()}-{name}" for name in ("test", "other")]
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
    }
DATABASES = {
    "default": {**_database, "TEST": {"NAME": _test_names[0]}},
    # For events in another database than Craftkit's.
    "other": {**_database, "TEST": {"NAME": _test_names[1]}},
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "guardian",
    "django_craftkit",
    "charter",
    "tests.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.locale.LocaleMiddleware",
]
ROOT_URLCONF = "tests.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "static"
STORAGES = {
    **global_settings.STORAGES,
    "craftkit": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}
# Nobody of guardian's own among the users; its backend is there where a test says so.
ANONYMOUS_USER_NAME = None
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="memory://")

CRAFTKIT_PROJECTS = {
    "default": {
        "API_KEY": "ck_test_sandbox",
        "WEBHOOK_SECRETS": ["whsec-tests"],
        # Nothing listens there: a test that forgets the sandbox fails at once.
        "BASE_URL": "http://127.0.0.1:9",
    },
}
# The PDF is got and read for each request otherwise; tests of that switch it on.
CRAFTKIT: dict[str, object] = {"CHECK_ANCHORS": "off"}
