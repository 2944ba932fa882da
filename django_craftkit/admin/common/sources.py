"""What rows are about: objects of the project's own, linked where the user may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse

from .format import linked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from .base import AnyAdmin


def note_sources(request: HttpRequest, rows: Iterable[Any]) -> None:
    """Note on rows whether the user may see what they are about, by its own app's permissions."""
    for row in rows:
        row.sees_source = False
        if row.source_type is not None:
            app, model = row.source_type.natural_key()
            names = (f"{app}.{verb}_{model}" for verb in ("view", "change"))
            row.sees_source = any(map(request.user.has_perm, names))


def source_link(site: AnyAdmin, row: Any) -> str:
    """Return what a row is about, linked to its page where the user may see it.

    The row is as ``note_sources`` leaves it.
    """
    if row.source_type is None:
        return "–"
    label = f"{row.source_type.name} {row.source_id}{row.shown_place}"
    if not (row.sees_source and row.is_where_its_model_is):
        return label
    name = f"admin:{row.source_type.app_label}_{row.source_type.model}_change"
    try:
        url = reverse(name, args=[quote(row.source_id)], current_app=site.admin_site.name)
    except NoReverseMatch:
        url = ""
    return linked(url, label)
