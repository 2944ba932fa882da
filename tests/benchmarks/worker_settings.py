"""Settings of a process that a measure starts; the measure says in the environment where it is."""

from __future__ import annotations

from pathlib import Path

from django_craftkit import beat_schedule
from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import CRAFTKIT_PROJECTS, DATABASES, INSTALLED_APPS, env

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks.instruments"]

# The database that the measure has made. Connections are Django's default: of a request, and of
# a task, whatever CONN_MAX_AGE is.
_default = {key: value for key, value in DATABASES["default"].items() if key != "CONN_MAX_AGE"}
DATABASES = {"default": {**_default, "NAME": env("BENCHMARK_DATABASE")}}
DATABASE_ROUTERS: list[str] = []
if DATABASES["default"]["ENGINE"].endswith("mysql"):
    # As the projects have it that claims are hardest for.
    DATABASES["default"]["OPTIONS"] = {"isolation_level": "repeatable read"}
else:
    DATABASES["default"]["OPTIONS"] = {"application_name": env("BENCHMARK_PROCESS")}
    if env("BENCHMARK_PROCESS") == "web":
        DATABASES["default"]["CONN_MAX_AGE"] = None

CRAFTKIT_PROJECTS = {
    "default": {**CRAFTKIT_PROJECTS["default"], "BASE_URL": env("BENCHMARK_BASE_URL")}
}
CELERY_TASK_DEFAULT_QUEUE = env("BENCHMARK_QUEUE")
CELERY_BEAT_SCHEDULE = beat_schedule()

BENCHMARK_FOLDER = Path(env("BENCHMARK_FOLDER"))
#: Seconds that the one receiver takes; ``None``: nobody listens.
BENCHMARK_RECEIVER = env.float("BENCHMARK_RECEIVER", default=None)
BY_HAND_HEARS_WEBHOOKS = env.bool("BENCHMARK_WEBHOOKS", default=False)
