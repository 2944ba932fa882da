"""What the doctor says of one thing that it has looked at."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_craftkit.declarations import Declaration


class Check(StrEnum):
    """What is looked at. Machines and docs/doctor.md know a check by its value, which stays."""

    PROJECTS = "projects"
    RESOLVER = "resolver"
    SETTINGS = "settings"
    HOST = "host"
    API_KEY = "api_key"
    TEMPLATE = "template"
    WEBHOOK_SECRETS = "webhook_secrets"
    WEBHOOK_ADDRESS = "webhook_address"
    DECLARED_PROJECT = "declared_project"
    MISSING_DOCUMENTS = "missing_documents"
    SAMPLE_DATA = "sample_data"
    BROKER = "broker"
    EMBEDDING = "embedding"
    TABLES = "tables"
    WORKER = "worker"
    BEAT = "beat"
    LAST_WEBHOOK = "last_webhook"
    PAUSE = "pause"
    PAUSED_SETTING = "paused_setting"
    UNKNOWN_PROJECT = "unknown_project"
    OLDEST_JOB = "oldest_job"
    OLDEST_WEBHOOK = "oldest_webhook"
    QUARANTINED_JOBS = "quarantined_jobs"
    LOST_JOBS = "lost_jobs"


class Finding(NamedTuple):
    """One thing that was looked at; ``fix`` is shown where there is a problem."""

    check: Check
    what: str
    problem: str = ""
    fix: str = ""
    #: The project that it is about; "": none, or all of them.
    project: str = ""

    @property
    def level(self) -> str:
        return "error" if self.problem else "ok"

    def as_dict(self) -> dict[str, str]:
        """Return it for machines."""
        return {
            "check": self.check.value,
            "level": self.level,
            "project": self.project,
            "what": self.what,
            "problem": self.problem,
            "fix": self.fix if self.problem else "",
        }


def named(some: Iterable[Declaration]) -> str:
    return ", ".join(f"{one.name} ({one.place})" for one in some)
