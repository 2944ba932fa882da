"""Who may do what, in the admin and the HTTP API alike: Django's permissions say, and nothing else.

``is_staff`` is no permission. A permission may be for everything (``ModelBackend``) or for one
object (django-guardian, say): either will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.apps import apps
from django.contrib.auth import get_backends
from django.core.exceptions import PermissionDenied
from django.db import router

from django_craftkit import conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser, PermissionsMixin
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    from django_craftkit.models.source import Sourced

    M = TypeVar("M", bound=Model)
    Person = PermissionsMixin | AnonymousUser

#: Primary keys that a query names at most.
FEW = 1000


def user_of(request: HttpRequest) -> AbstractBaseUser:
    """Return the user who acts: nobody does without having logged in."""
    return cast("AbstractBaseUser", request.user)


def allows(user: Person, codename: str, obj: Model | None = None) -> bool:
    """Whether a user has a permission of this app, for everything or for this object."""
    name = f"craftkit.{codename}"
    return user.has_perm(name) or (obj is not None and user.has_perm(name, obj))


def permitted(user: Person, codename: str, rows: QuerySet[M]) -> QuerySet[M] | None:
    """Return the rows that a user has a permission for; ``None`` where there are none.

    ``has_perm`` would have to be called for each row. Of the backends that know single objects
    only django-guardian tells all of them, by one query more.
    """
    name = f"craftkit.{codename}"
    if user.has_perm(name):
        return rows
    if not apps.is_installed("guardian"):
        return None
    from guardian.shortcuts import get_objects_for_user

    if not any(map(_tells_all, get_backends())):
        return None
    # A few are named: guardian's query within a query looks at every row for them.
    few = _objects_of(user, codename, rows)
    if not few:
        return None
    if len(few) <= FEW:
        return rows.filter(pk__in=few)
    mine = get_objects_for_user(user, name, rows.model, accept_global_perms=False)
    return rows.filter(pk__in=mine.using(rows.db).order_by().values("pk"))


def permitted_among(user: Person, codename: str, rows: Sequence[Model]) -> set[Any]:
    """Return the primary keys of those of a few rows that a user has a permission for.

    Takes as many queries for all of them as for one, unless a backend of the project's own takes
    more.
    """
    name = f"craftkit.{codename}"
    if not rows or user.has_perm(name):
        return {row.pk for row in rows}
    all_rows = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows])
    mine = permitted(user, codename, all_rows)
    found = set() if mine is None else set(mine.values_list("pk", flat=True))
    backends = [one for one in get_backends() if hasattr(one, "has_perm") and not _tells_all(one)]
    return found | {row.pk for row in rows if _allows(backends, user, name, row)}


def _tells_all(backend: object) -> bool:
    """Whether a backend is one that ``permitted`` asks."""
    if not apps.is_installed("guardian"):
        return False
    from guardian.backends import ObjectPermissionBackend

    return isinstance(backend, ObjectPermissionBackend)


def _allows(backends: Iterable[Any], user: Person, name: str, row: Model) -> bool:
    # As Django's own has_perm() asks them.
    for backend in backends:
        try:
            if backend.has_perm(user, name, row):
                return True
        except PermissionDenied:
            return False
    return False


def _objects_of(user: Person, codename: str, rows: QuerySet[M]) -> list[int | str]:
    """Return the primary keys that guardian has a permission for: the first ``FEW``, and one."""
    from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

    def given(kind: Any, **whose: object) -> Any:
        of_object = "object_pk" if kind.objects.is_generic() else "content_object_id"
        permissions = kind.objects.using(rows.db).filter(
            permission__codename=codename, permission__content_type__app_label="craftkit", **whose
        )
        return permissions.order_by().values_list(of_object, flat=True)

    # Its types know objects alone, where it takes their model as well.
    model: Any = rows.model
    own = given(get_user_obj_perms_model(model), user=user)
    of_groups = given(get_group_obj_perms_model(model), group__in=user.groups.all())
    return list(own.union(of_groups)[: FEW + 1])


def may_see(user: Person, source: Model) -> bool:
    """Whether a user may see what a document is about, by the permissions of its own app."""
    app, model = source._meta.app_label, source._meta.model_name
    names = [f"{app}.{verb}_{model}" for verb in ("view", "change")]
    return any(user.has_perm(name) or user.has_perm(name, source) for name in names)


def owns(user: Person, source: Model) -> bool:
    """Whether an object is a user's own, as ``CRAFTKIT["API_OWNERS"]`` says."""
    model = source._meta.concrete_model
    return any(rows.filter(pk=source.pk).exists() for rows in owned_by(user, only=model))


def owns_source(user: Person, row: Sourced) -> bool:
    """Whether what a row is about is a user's own; the object is not read."""
    place = row.place
    # Of its namesake in another database, or in another tenant's schema, nothing is known here.
    if place is None or not row.is_where_its_model_is:
        return False
    return any(rows.filter(pk=place.pk).exists() for rows in owned_by(user, only=place.model))


def owned_by(user: Person, only: type[Model] | None = None) -> Iterator[QuerySet[Model]]:
    """Yield the rows that are a user's own, of each model in ``{"shop.Order": "customer"}``.

    None for who has not logged in: what has no owner is nobody's.
    """
    if user.pk is None:
        return
    for label, path in (conf.options().API_OWNERS or {}).items():
        model = apps.get_model(label)
        if only not in (None, model):
            continue
        # Where it is written: what somebody has just got is theirs.
        rows = model._base_manager.using(router.db_for_write(model))
        # The user by its key, since it may be in another database, and by its primary key, since
        # a foreign key may hold another column of the user, its number say.
        yield rows.filter(**{path if path == "pk" else f"{path}__pk": user.pk}).distinct()
