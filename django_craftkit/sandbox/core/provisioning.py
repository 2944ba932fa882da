"""Provisioning: a project, a key and an embed partner for each organization (section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import projects
from .errors import Refusal
from .ids import uuid4

if TYPE_CHECKING:
    from .projects import Project
    from .state import State


@dataclass(frozen=True)
class Organization:
    """What was provisioned for an organization of whoever has the admin key."""

    external_id: str
    project: Project
    # In plain text, because a later call gets the same again.
    api_key: str = field(repr=False)
    partner_id: str = field(default_factory=uuid4)


def provision(
    state: State, external_id: str, *, name: str, email_from: str | None
) -> tuple[Organization, bool]:
    """The organization, and whether it is new; one that is there stays as it is."""
    known = state.organizations.get(external_id)
    if known is not None:
        return known, False
    project = projects.create(state, name, account=None)
    project.email_from = email_from
    api_key = projects.create_key(state, project, "API key")
    organization = Organization(external_id, project, api_key.key)
    state.organizations[external_id] = organization
    return organization, True


def find(state: State, external_id: str) -> Organization:
    """An organization that was provisioned; 404 `not_found`."""
    if external_id not in state.organizations:
        raise Refusal("not_found", "This organization has not been provisioned.")
    return state.organizations[external_id]
