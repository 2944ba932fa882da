"""Projects: what each one holds, and what an account does with its own (section 5.2).

Moments are seconds since 1970 by the sandbox's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from .errors import Refusal
from .ids import project_key, uuid4
from .signatures import SignatureRequests
from .templates import slug_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .catalogs import Catalog
    from .emails import Mail
    from .renders import Render
    from .shares import Share
    from .signatures import SignatureMail
    from .state import State
    from .templates import Template
    from .webhooks.deliveries import Subscription

#: Whose the projects are that were configured, and the account keys that don't say whose.
DEFAULT_ACCOUNT: Final = "default"
_PREFIX_LENGTH: Final = 12


@dataclass(eq=False)
class Project:
    """One Craftkit project: nothing in it is seen from another one."""

    name: str
    slug: str = ""  # as it was first named, if not given: unique, and never another
    id: str = field(default_factory=uuid4)
    created_at: float = 0.0
    updated_at: float = field(init=False)
    # None: none of the accounts', but that of an organization that was provisioned.
    account: str | None = None
    # Named by `api_keys` or `add_key`: a reset keeps it.
    configured: bool = False
    # Where its e-mails come from, if it was provisioned with it.
    email_from: str | None = None
    templates: dict[str, Template] = field(default_factory=dict)
    deleted_templates: list[Template] = field(default_factory=list)
    renders: dict[str, Render] = field(default_factory=dict)
    by_key: dict[str, Render] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    signatures: SignatureRequests = field(default_factory=SignatureRequests)
    signature_mails: list[SignatureMail] = field(default_factory=list)
    # All versions of each name, oldest first.
    catalogs: dict[str, list[Catalog]] = field(default_factory=dict)
    subscriptions: list[Subscription] = field(default_factory=list)
    # Without it no e-mail can be sent: 503 `email_not_configured`.
    email_configured: bool = True
    # Without it nothing can be sent out for signature: 503 `signatures_unavailable`.
    signatures_configured: bool = True
    # Without it the embed API knows no key and no session of the project.
    embed_enabled: bool = True
    # 403 `partner_suspended` for the embed API.
    embed_suspended: bool = False
    # From where sessions may be used, as `https://shop.example.com`; none is anywhere.
    embed_origins: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slug = self.slug or self.name
        self.updated_at = self.created_at

    def shares(self) -> Iterator[Share]:
        """All share links of the project, oldest render first."""
        for render in self.renders.values():
            yield from render.shares

    def clear(self) -> None:
        """As new, but for the subscriptions."""
        self.templates.clear()
        self.deleted_templates.clear()
        self.renders.clear()
        self.by_key.clear()
        self.mails.clear()
        self.signatures.clear()
        self.signature_mails.clear()
        self.catalogs.clear()
        self.email_configured = True
        self.signatures_configured = True
        self.embed_enabled = True
        self.embed_suspended = False
        self.embed_origins.clear()

    def __repr__(self) -> str:
        return f"<Project {self.slug!r}>"


@dataclass(frozen=True)
class ApiKey:
    """A key that was just made: the only one who knows it in plain text."""

    name: str
    key: str = field(repr=False)
    created_at: float
    id: str = field(default_factory=uuid4)

    @property
    def prefix(self) -> str:
        """What tells it from others: its beginning."""
        return self.key[:_PREFIX_LENGTH]


def of_account(state: State, account: str) -> list[Project]:
    """The projects of an account, the newest first."""
    projects = [project for project in state.projects.values() if project.account == account]
    return sorted(projects, key=lambda project: project.created_at)[::-1]


def find(state: State, account: str, project_id: str) -> Project:
    """A project of an account by its id; 404 `not_found`, also for one of somebody else."""
    for project in of_account(state, account):
        if project.id == project_id.lower():
            return project
    raise Refusal("not_found", "Project not found.")


def create(state: State, name: str, *, account: str | None) -> Project:
    """A new project without templates. Slugs are never used again, not even of deleted ones."""
    deleted = {project.slug for project in state.deleted_projects}
    taken = state.projects.keys() | deleted
    base = slug = slug_of(name) or "project"
    numbers = count(1)
    while slug in taken:
        slug = f"{base}-{next(numbers)}"
    project = Project(name, slug, created_at=state.clock(), account=account)
    state.projects[slug] = project
    return project


def create_key(state: State, project: Project, name: str) -> ApiKey:
    """One more key of a project, which works at once."""
    api_key = ApiKey(name, project_key(), state.clock())
    state.keys.add(api_key.key, "project", project.id)
    return api_key


def rename(state: State, project: Project, name: str) -> None:
    """Give a project another name; its slug stays."""
    project.name = name
    project.updated_at = state.clock()


def delete(state: State, project: Project) -> None:
    """Soft: nobody finds it any more, and its keys are refused."""
    del state.projects[project.slug]
    state.deleted_projects.append(project)


def restore(state: State) -> None:
    """Back to the projects that were configured, as new; a key of another one is wrong again."""
    projects = [*state.deleted_projects, *state.projects.values()]
    kept = [project for project in projects if project.configured]
    state.keys.forget("project", {project.id for project in projects if project not in kept})
    state.deleted_projects.clear()
    state.projects.clear()
    for project in sorted(kept, key=lambda project: project.created_at):
        project.clear()
        project.name, project.updated_at = project.slug, project.created_at
        state.projects[project.slug] = project
