"""What many tests say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_craftkit.models import Job

if TYPE_CHECKING:
    from django_craftkit.testing import Kit


def settle(craftkit: Kit, *, minutes: float = 30) -> None:
    """Let time pass until nothing is left to do; fail if something still is."""
    for _ in range(int(minutes * 6)):
        craftkit.run()
        if not Job.objects.exists():
            return
        craftkit.pass_time(10)
    left = list(Job.objects.values("kind", "error", "failures", "due_at"))
    raise AssertionError(f"After {minutes} minutes there is still something to do: {left}")
