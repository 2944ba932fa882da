"""``m2m_changed`` as an event: whose many-to-many field has changed, from whichever side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Where an object keeps, while its relations are cleared, whose they were.
_CLEARED = "_craftkit_cleared"


def is_table_between(model: type[models.Model]) -> bool:
    """Whether a many-to-many field has this model as its ``through``; true of none not loaded."""
    return not apps.models_ready or bool(_fields(model))


def changed(sender: object, told: Mapping[str, Any]) -> Sequence[Any]:
    """Return the objects that have the field which ``m2m_changed`` says has changed.

    They are one where it was changed from their side; from the other side all that were added,
    removed or cleared, read with one query. None before the change, and where nothing did.
    """
    action, instance = told.get("action"), told.get("instance")
    pks, is_reverse = told.get("pk_set"), told.get("reverse")
    if is_reverse and action == "pre_clear":
        instance.__dict__[_CLEARED] = _related(sender, told)
    if action not in ("post_add", "post_remove", "post_clear") or pks in (set(), frozenset()):
        return ()
    if not is_reverse:
        return (instance,)
    if action == "post_clear":
        pks = instance.__dict__.get(_CLEARED, ())
    model: type[models.Model] = told["model"]
    return list(model._base_manager.using(_alias(told)).filter(pk__in=pks).order_by("pk"))


def _related(sender: Any, told: Mapping[str, Any]) -> list[Any]:
    """Return the keys of the objects that have another in the field, before it is cleared."""
    field = next(one for one in _fields(sender) if issubclass(told["model"], one.model))
    between = sender._base_manager.using(_alias(told))
    # By the columns of the table between: the field may have no name on the other side.
    mine = between.filter(**{field.m2m_reverse_field_name(): told["instance"]})
    return list(mine.values_list(f"{field.m2m_field_name()}__pk", flat=True))


def _alias(told: Mapping[str, Any]) -> str:
    return told.get("using") or DEFAULT_DB_ALIAS


def _fields(through: Any) -> list[Any]:
    fields: list[Any] = [
        one for model in apps.get_models() for one in model._meta.local_many_to_many
    ]
    between = through._meta.concrete_model
    return [one for one in fields if one.remote_field.through._meta.concrete_model is between]
