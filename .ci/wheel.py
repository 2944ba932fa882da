"""The installed wheel in a bare project: it imports, checks, migrates, and carries its files."""

import contextlib
import importlib
import importlib.util
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="only for this",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_craftkit",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CRAFTKIT_PROJECTS={"default": {"API_KEY": "ck_test_none"}},
    USE_TZ=True,
)
django.setup()

import django_craftkit  # noqa: E402
from django_craftkit.models import Render  # noqa: E402

call_command("check", "--tag", "craftkit")
call_command("migrate", verbosity=0)
Render.objects.request("invoice", {"total": 42})
assert django_craftkit.beat_schedule()
package = importlib.util.find_spec("django_craftkit").submodule_search_locations[0]
for name in ("py.typed", "templates/craftkit/badge.html", "static/django_craftkit/badges.js"):
    assert Path(package, name).is_file(), f"{name} is not in the wheel"
of_the_api = ("rest_framework", "django_filters", "drf_spectacular")
for extra in ("werkzeug", "fpdf", "pytest", "django_tasks", *of_the_api):
    assert importlib.util.find_spec(extra) is None, f"{extra} is no dependency of the core"
with contextlib.suppress(ModuleNotFoundError):
    importlib.import_module("django_craftkit.api.urls")
    raise SystemExit("The HTTP API is there without its extra.")
print(f"django-craftkit {django_craftkit.__version__} works from its wheel.")
