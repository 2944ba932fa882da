"""Settings of the suite: embedded; real services by DATABASE_URL and CELERY_BROKER_URL."""

from __future__ import annotations

from pathlib import Path

import environ

env = environ.Env()
ROOT = Path(__file__).parent

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "Europe/Athens"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_database = env.db_url("DATABASE_URL", default="sqlite://:memory:")
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
DATABASES = {
    "default": _database,
    # For events in another database than Craftkit's; it must not share the test database's name.
    "other": {**_database, "TEST": {"NAME": _database.get("NAME") and "test_craftkit_other"}},
}
if _database["ENGINE"].endswith("sqlite3"):
    DATABASES["other"]["TEST"] = {}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
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
CRAFTKIT: dict[str, object] = {}
