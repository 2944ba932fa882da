"""Who may do what, for the admin and the HTTP API alike: by Django's permissions, and by no other.

``is_staff`` is no permission. A permission may be for everything (``ModelBackend``) or for one
object (django-guardian, say): either will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_backends

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet


def allows(user: Any, codename: str, obj: Model | None = None) -> bool:
    """Whether somebody has a permission of this app, for everything or for this object."""
    name = f"craftkit.{codename}"
    return user.has_perm(name) or (obj is not None and user.has_perm(name, obj))


def permitted(user: Any, codename: str, rows: QuerySet[Any]) -> QuerySet[Any] | None:
    """Return the rows that somebody has a permission for; ``None`` where there can be none.

    They are found by the query that reads them: ``has_perm`` would be asked of each row. Of the
    backends that know single objects only django-guardian can be asked for all of them.
    """
    name = f"craftkit.{codename}"
    if user.has_perm(name):
        return rows
    if not _knows_objects():
        return None
    from guardian.shortcuts import get_objects_for_user

    # Of every row of the table: guardian would write the query for these rows into its own, twice.
    mine = get_objects_for_user(user, name, rows.model, accept_global_perms=False)
    return rows.filter(pk__in=mine.using(rows.db).values("pk"))


def _knows_objects() -> bool:
    """Whether django-guardian says who may do what, of single objects."""
    if not apps.is_installed("guardian"):
        return False
    from guardian.backends import ObjectPermissionBackend

    return any(isinstance(one, ObjectPermissionBackend) for one in get_backends())


def may_see(user: Any, source: Model) -> bool:
    """Whether somebody may see what a document is about, by the permissions of its own app."""
    app, model = source._meta.app_label, source._meta.model_name
    names = [f"{app}.{verb}_{model}" for verb in ("view", "change")]
    return any(user.has_perm(name) or user.has_perm(name, source) for name in names)
