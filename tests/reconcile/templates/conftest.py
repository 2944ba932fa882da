from __future__ import annotations

import pytest

from django_craftkit.models import Template

from .helpers import calls


@pytest.fixture
def read(craftkit):
    """Have the templates read anew, and return the calls that it took."""

    def read() -> list[str]:
        before = len(craftkit.sandbox.state.requests)
        # No two things are changed in one millisecond.
        craftkit.pass_time(1)
        Template.objects.refresh("default")
        craftkit.run()
        return calls(craftkit)[before:]

    return read
