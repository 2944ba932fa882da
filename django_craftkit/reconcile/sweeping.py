"""The sweep: what is looked after although nobody has said that there is something to do."""

from __future__ import annotations

from django_craftkit import conf
from django_craftkit.clock import database_now
from django_craftkit.database import database
from django_craftkit.models import ProjectState


def note_sweep() -> None:
    """Note that somebody looks after each project, which doctors and staff are shown."""
    now = database_now()
    for alias in conf.project_aliases():
        state = ProjectState.objects.of(alias)
        ProjectState.objects.using(database()).filter(pk=state.pk).update(swept_at=now)
