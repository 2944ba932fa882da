"""What an address may filter a list by: what its pages show, and nothing else.

Whoever may try out a column by an address reads it letter by letter, shown or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.widgets import url_params_from_lookup_dict
from django.core.exceptions import FieldDoesNotExist

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models import Model

#: How a column may be compared. No regular expression: it takes any time.
_COMPARED = frozenset(("exact", "iexact", "in", "isnull", "isempty", "gt", "gte", "lt", "lte"))
_COMPARED |= {"contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
#: Parts of a moment that may be compared.
_PARTS = frozenset(("date", "year", "month", "day", "week_day", "time", "hour", "minute", "second"))
#: How a key may be compared: with the primary key of its row, which links hold.
_LED_TO = frozenset(("exact", "in", "isnull"))
#: What filters of Django's own compare besides.
_OF_FILTERS = ("exact", "in", "isnull", "isempty", "gte", "lt")
_OF_DATES = ("year", "month", "day", "gte", "lt")


def may_filter(model: type[Model], lookup: str, columns: Collection[str]) -> bool:
    """Whether a lookup is of one of these columns, or of none at all."""
    name, *how = lookup.split("__")
    if name == "pk":
        name = model._meta.pk.name
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return True  # the list has no such column, and says so
    # Its primary key is in the address of each row's page.
    if not (getattr(field, "primary_key", False) or field.name in columns):
        return False
    if field.is_relation:
        if how and how[0] in ("pk", field.related_model._meta.pk.name):
            how = how[1:]
        return len(how) <= 1 and set(how) <= _LED_TO
    return len(how) <= 2 and set(how[:-1]) <= _PARTS and set(how[-1:]) <= _COMPARED | _PARTS


def of_filters(
    model: type[Model], list_filter: Iterable[Any], date_hierarchy: str | None
) -> set[str]:
    """Return the parameters of the filters that a list offers: what they say stands beside it."""
    found = {f"{date_hierarchy}__{how}" for how in _OF_DATES} if date_hierarchy else set()
    for one in list_filter:
        if isinstance(one, type) and issubclass(one, SimpleListFilter):
            found.add(str(one.parameter_name))
            continue
        path = one[0] if isinstance(one, (tuple, list)) else one
        found |= {path, *(f"{path}__{how}" for how in _OF_FILTERS)}
        field: Any = get_fields_from_path(model, path)[-1]
        if field.is_relation:
            found.add(f"{path}__{field.target_field.name}__exact")
    return found


def of_choices(model: type[Model]) -> set[tuple[str, str]]:
    """Return what the keys of the project that lead here limit their choices to."""
    found: set[tuple[str, str]] = set()
    for limits in model._meta.related_fkey_lookups:
        given = limits() if callable(limits) else limits
        found |= {(name, str(value)) for name, value in url_params_from_lookup_dict(given).items()}
    return found
