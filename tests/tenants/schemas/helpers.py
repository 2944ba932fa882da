"""What tests of all tenants say in the same words."""

from __future__ import annotations

from functools import partial
from typing import Any

from django_craftkit import tenants
from django_craftkit.models import Render
from tests.tenants import turns
from tests.tenants.schemas.conftest import NAMES


def request(number: int, **more: Any) -> Render:
    """Ask for a document that says whose it is."""
    data = {"tenant": tenants.current(), "number": number}
    return Render.objects.request("invoice", data, key=f"i-{number}", **more)


everywhere = partial(turns.everywhere, NAMES)
finish = partial(turns.finish, NAMES)
