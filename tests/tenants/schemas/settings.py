"""Settings of the suite, with the tables of each tenant in a schema of its own."""

from __future__ import annotations

import os

from django_craftkit import beat_schedule
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, STORAGES, env

_name = f"{DATABASES['default']['NAME']}_schemas"
DATABASES = {
    "default": {
        **DATABASES["default"],
        "ENGINE": "django_tenants.postgresql_backend",
        "OPTIONS": {"options": "-c synchronous_commit=off"},
        "TEST": {"NAME": f"test_{_name}"},
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

SHARED_APPS = ["django_tenants", "tests.tenants.schemas.customers", "django.contrib.contenttypes"]
TENANT_APPS = INSTALLED_APPS
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]
TENANT_MODEL = "customers.Client"
TENANT_DOMAIN_MODEL = "customers.Domain"
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
# Tables as the models say: other tests migrate.
MIGRATION_MODULES = dict.fromkeys(
    ("admin", "auth", "contenttypes", "craftkit", "guardian", "sessions")
)
# As it is recommended: not to say before each query what was said before the last.
TENANT_LIMIT_SET_CALLS = True

CRAFTKIT = {"TENANTS": "django_craftkit.tenants.DjangoTenants", "CHECK_ANCHORS": "off"}

#: Of this run alone; the workers that it starts are told.
CELERY_TASK_DEFAULT_QUEUE = env.str("CELERY_QUEUE", default=f"tenants-{os.getpid()}")

if _url := env.str("CRAFTKIT_BASE_URL", default=""):
    # A worker that a test has started.
    DATABASES["default"]["NAME"] = env("CRAFTKIT_DATABASE_default")
    _patience = 4
    CRAFTKIT = {**CRAFTKIT, "LEASE": _patience + 2}
    CRAFTKIT_PROJECTS = {
        alias: {"API_KEY": f"ck_test_{alias}", "BASE_URL": _url, "TIMEOUT": (1, _patience)}
        for alias in ("default", "eu")
    }
    STORAGES = {
        **STORAGES,
        "craftkit": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": env("CRAFTKIT_ARCHIVE")},
        },
    }
    CELERY_BEAT_SCHEDULE = beat_schedule()
