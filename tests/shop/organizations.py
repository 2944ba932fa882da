"""A Craftkit project for each organization: what docs/several-projects.md shows."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from celery import shared_task
from cryptography.fernet import Fernet, MultiFernet
from django.db import transaction

from django_craftkit.client import CraftkitAccount
from django_craftkit.projects import forget

from .models import Organization

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def box() -> MultiFernet:
    # The first key seals, each of them opens: so these can be replaced, too.
    return MultiFernet([Fernet(key) for key in os.environ["CREDENTIALS_KEYS"].split()])


def seal(credentials: Mapping[str, Any]) -> bytes:
    return box().encrypt(json.dumps(credentials).encode())


def unseal(sealed: bytes) -> dict[str, Any]:
    return json.loads(box().decrypt(bytes(sealed)))


class OrganizationProjects:
    """What CRAFTKIT["PROJECT_RESOLVER"] names."""

    def get(self, alias: str) -> dict[str, Any] | None:
        sealed = Organization.objects.filter(slug=alias).values_list("sealed", flat=True).first()
        return None if sealed is None else unseal(sealed)

    def aliases(self) -> Iterable[str]:
        found = Organization.objects.filter(sealed__isnull=False)
        return found.values_list("slug", flat=True).iterator()


def get_account() -> CraftkitAccount:
    return CraftkitAccount(os.environ["CRAFTKIT_ACCOUNT_KEY"], base_url=os.environ["CRAFTKIT_URL"])


@shared_task(autoretry_for=(Exception,), retry_backoff=True)
def give_project(pk: int) -> None:
    """Give an organization a project of its own; run again, it goes on with what is missing."""
    organization = Organization.objects.get(pk=pk)
    if organization.sealed is not None:
        return
    projects = get_account().projects
    known = {project.name: project for project in projects.list()}
    project = known.get(organization.slug) or projects.create(organization.slug)
    key = projects.create_key(project.id, "first").key
    organization.remote_project = project.id
    store(
        organization,
        {"API_KEY": key.reveal(), "BASE_URL": os.environ["CRAFTKIT_URL"], "WEBHOOK_SECRETS": []},
    )


def store(organization: Organization, credentials: Mapping[str, Any]) -> None:
    organization.sealed = seal(credentials)
    organization.save(update_fields=["sealed", "remote_project"])
    transaction.on_commit(lambda: forget(organization.slug))


def sign_up(slug: str) -> Organization:
    organization = Organization.objects.create(slug=slug)
    transaction.on_commit(lambda: give_project.delay(organization.pk))
    return organization


def replace_key(organization: Organization, name: str) -> None:
    """Have everything call with a new key; the old one is good until you revoke it."""
    key = get_account().projects.create_key(organization.remote_project, name).key
    store(organization, {**unseal(organization.sealed), "API_KEY": key.reveal()})


def add_webhook_secret(organization: Organization, secret: str) -> None:
    """Let a new secret verify webhooks, beside those that do."""
    credentials = unseal(organization.sealed)
    secrets = [secret, *credentials["WEBHOOK_SECRETS"]]
    store(organization, {**credentials, "WEBHOOK_SECRETS": secrets})


def keep_newest_webhook_secret(organization: Organization) -> None:
    credentials = unseal(organization.sealed)
    store(organization, {**credentials, "WEBHOOK_SECRETS": credentials["WEBHOOK_SECRETS"][:1]})
