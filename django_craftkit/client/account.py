"""Accounts: projects and their keys, for who has the key of an account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - typing.get_type_hints reads these classes
from typing import TYPE_CHECKING, Self
from uuid import UUID  # noqa: TC003

from django_craftkit.client.base import Client
from django_craftkit.client.encoding import given, path
from django_craftkit.client.fields import Answer, Fields, Listed
from django_craftkit.client.limits import check_text
from django_craftkit.client.secret import Secret  # noqa: TC001
from django_craftkit.client.transport import Resource
from django_craftkit.untrusted import JsonObject  # noqa: TC001

if TYPE_CHECKING:
    from django_craftkit.client.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Answer):
    """A project of the account. Source: https://docs.craftkit.dev/api-reference/get-project"""

    id: UUID
    slug: str
    """Made of the first name; stays when the project is renamed."""
    name: str
    created_at: datetime | None
    """None after `create`: Craftkit does not say."""
    updated_at: datetime | None
    """None after `create`: Craftkit does not say."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "project")
        return cls(
            id=fields.uuid("id"),
            slug=fields.maybe_text("slug") or "",
            name=fields.maybe_text("name") or "",
            created_at=fields.maybe_moment("createdAt"),
            updated_at=fields.maybe_moment("updatedAt"),
            **fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedProject(Answer):
    """A project taken away. Source: https://docs.craftkit.dev/api-reference/delete-project"""

    id: UUID
    deleted: bool | None
    """True; None if Craftkit does not say."""

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "deleted project")
        return cls(id=fields.uuid("id"), deleted=fields.maybe_flag("deleted"), **fields.rest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectKey(Answer):
    """A new key of a project. Source: https://docs.craftkit.dev/api-reference/create-project-key

    Craftkit shows the key this once: whatever else of the answer can't be read, the key is kept.
    """

    key: Secret
    """For `Craftkit`; `reveal()` returns it."""
    id: UUID | None
    project_id: UUID | None
    name: str
    prefix: str
    """The beginning of the key, to tell it from others."""
    created_at: datetime | None
    extra: JsonObject = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def from_json(cls, body: object) -> Self:
        fields = Fields(body, "project key")
        return cls(
            key=fields.secret("key"),
            id=fields.maybe_uuid("id"),
            project_id=fields.maybe_uuid("projectId"),
            name=fields.maybe_text("name") or "",
            prefix=fields.maybe_text("prefix") or "",
            created_at=fields.maybe_moment("createdAt"),
            **fields.rest(),
        )


class Projects(Resource):
    """The projects of the account that the key belongs to."""

    def create(self, name: str) -> Project:
        """Make a project.

        Not retried but where Craftkit proved that it did nothing: twice makes two. If this raises
        with `maybe_handled`, look with `list` before the next call.

        Source: https://docs.craftkit.dev/api-reference/create-project

        Args:
            name: 1 to 120 characters.

        Raises:
            InvalidData: another name; nothing was sent.
            AuthenticationError: the key is no account's.
            InvalidRequest: `invalid_request` (422).
        """
        check_text("name", name, 1, 120)
        return self._transport.call(
            "POST",
            path("v1", "projects"),
            lambda answer, status: Project.from_json(answer),
            json={"name": name},
        )

    def list(self) -> Listed[Project]:
        """All projects, the newest first; in one piece.

        One whose id can't be read is left out: it is in the list's `unreadable`.

        Source: https://docs.craftkit.dev/guides/account-api

        Raises:
            AuthenticationError: the key is no account's.
        """
        # Whether the list stands in an object is not documented.
        return self._transport.call(
            "GET",
            path("v1", "projects"),
            lambda body, status: Listed.from_json(body, "projects", Project.from_json),
            bare="projects",
        )

    def get(self, id: UUID | str) -> Project:  # noqa: A002 - its name in the API
        """One project.

        Source: https://docs.craftkit.dev/api-reference/get-project

        Args:
            id: of the project, as Craftkit gave it.

        Raises:
            NotFound: no such project in the account.
        """
        return self._transport.get(path("v1", "projects", id), Project.from_json)

    def rename(self, id: UUID | str, name: str) -> Project:  # noqa: A002 - its name in the API
        """Give a project another name; its slug stays. Retried as reads are: twice is once.

        Source: https://docs.craftkit.dev/api-reference/update-project

        Args:
            id: of the project, as Craftkit gave it.
            name: 1 to 200 characters.

        Raises:
            InvalidData: another name; nothing was sent.
            NotFound: no such project in the account.
            InvalidRequest: `invalid_request`.
        """
        check_text("name", name, 1, 200)
        return self._transport.call(
            "PATCH",
            path("v1", "projects", id),
            lambda answer, status: Project.from_json(answer),
            json={"name": name},
            repeatable=True,
        )

    def delete(self, id: UUID | str) -> DeletedProject:  # noqa: A002 - its name in the API
        """Take a project away. Its keys are refused from then on.

        Source: https://docs.craftkit.dev/api-reference/delete-project

        Args:
            id: of the project, as Craftkit gave it.

        Raises:
            NotFound: no such project in the account, or deleted already, be it by an earlier try
                of this very call: then `maybe_handled` is True.
        """
        return self._transport.delete(path("v1", "projects", id), DeletedProject.from_json)

    def create_key(
        self,
        id: UUID | str,  # noqa: A002 - its name in the API
        name: str | None = None,
    ) -> ProjectKey:
        """Make one more key of a project. Craftkit shows it this once: store it.

        Not retried but where Craftkit proved that it did nothing. If this raises with
        `maybe_handled`, there may be a key that nobody knows; the dashboard can revoke it.

        Source: https://docs.craftkit.dev/api-reference/create-project-key

        Args:
            id: of the project, as Craftkit gave it.
            name: 1 to 200 characters; Craftkit takes `API key`.

        Raises:
            InvalidData: another name; nothing was sent.
            NotFound: no such project in the account.
            InvalidRequest: `invalid_request`.
        """
        if name is not None:
            check_text("name", name, 1, 200)
        return self._transport.call(
            "POST",
            path("v1", "projects", id, "keys"),
            lambda answer, status: ProjectKey.from_json(answer),
            json=given(name=name),
            confidential=True,
        )


class CraftkitAccount(Client):
    """Craftkit, as one account sees it: its projects. Threads and processes may share one.

    Source: https://docs.craftkit.dev/guides/account-api

    Args:
        api_key: the account's (`ck_acct_…`); a project's is refused here, and this one elsewhere.
            Goes to the host of `base_url` alone.
        base_url, timeout, max_retries, max_download_bytes, adapter: as for `Craftkit`.

    Raises:
        ValueError: one of these can't be used.
    """

    _credential = "Craftkit account's API key"
    projects: Projects

    def _open(self, transport: Transport) -> None:
        self.projects = Projects(transport)
