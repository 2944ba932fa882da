"""Settings of the example. What differs between two machines comes from the environment."""

from pathlib import Path

import environ

import django_craftkit

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"  # whatever the site writes while it runs

env = environ.Env()

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env("SECRET_KEY", default="for the demonstration only, not for a site that people use")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

INSTALLED_APPS = [
    "charter",
    "django_craftkit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "agency.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Craftkit shows its forms and its builder in an iframe, from https://embed.craftkit.dev; here it is
# the sandbox.
CRAFTKIT_EMBED_ORIGIN = env("CRAFTKIT_EMBED_ORIGIN", default="http://127.0.0.1:9100")
CONTENT_SECURITY_POLICY = (
    f"default-src 'self'; frame-src {CRAFTKIT_EMBED_ORIGIN}; base-uri 'none'; object-src 'none'"
)

ROOT_URLCONF = "agency.urls"
WSGI_APPLICATION = "agency.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: one file by default. WAL lets the site read while the worker writes; IMMEDIATE makes a
# writer queue for the file when its transaction begins, so that it can't fail in the middle of it.

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR / 'db.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Celery: any broker in production; by default a folder, so that the demonstration needs no service.

CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR / "broker"),
        "data_folder_out": str(VAR / "broker"),
        "control_folder": str(VAR / "broker" / "control"),
        "polling_interval": 0.2,
    }
    (VAR / "broker" / "control").mkdir(parents=True, exist_ok=True)
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULE = {**django_craftkit.beat_schedule()}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "beat-schedule")
CELERY_TIMEZONE = TIME_ZONE = "Europe/Athens"

# Craftkit: by default the one that `manage.py craftkit_sandbox` plays on this machine.

CRAFTKIT_PROJECTS = {
    "default": {
        "API_KEY": env("CRAFTKIT_API_KEY", default="ck_test_sandbox"),
        "WEBHOOK_SECRETS": env.list("CRAFTKIT_WEBHOOK_SECRETS", default=["sandbox-webhook-secret"]),
        "BASE_URL": env("CRAFTKIT_BASE_URL", default="http://127.0.0.1:9100"),
    },
}
CRAFTKIT = {
    # Who opens a document at this site's own address: whoever may open all of them, and whoever has
    # signed the boat off.
    "DOWNLOAD_PERMISSION": "charter.desk.may_download",
    "API_OWNERS": {"charter.Booking": "signed_off_by"},
}

# The HTTP API, for the site's own pages: whoever is logged in to the site, and nobody else.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
}

USE_TZ = True
USE_I18N = True
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]  # add yours, then makemessages: every text is marked

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
    # What was signed: a folder that no web server serves.
    "craftkit": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR / "documents",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
