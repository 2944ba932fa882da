"""Lists that stay fast: nothing in them reads a whole table, however long it is."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db import connections, models
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import cached_property, lazy
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from django_craftkit.database import sanitized
from django_craftkit.models.arguments import EARLIEST, LATEST
from django_craftkit.models.project import known_projects
from django_craftkit.visibility import visible

from .buttons import not_as_written, pk_of

# The generics are the type checker's alone.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from django.db.models.query import _OrderByFieldName
    from django.http import HttpRequest, HttpResponse, QueryDict
    from django.utils.functional import _StrOrPromise

    BasePaginator = Paginator[models.Model]
    Choices = list[tuple[str, _StrOrPromise]]
    ModelAdmin = admin.ModelAdmin
else:
    BasePaginator = Paginator

    class ModelAdmin(admin.ModelAdmin):
        def __class_getitem__(cls, _model):
            return cls


M = TypeVar("M", bound=models.Model)

#: Rows of a list that can be reached, and that are counted.
LIMIT = 5000
#: Rows that a search finds at most.
SEARCHED = 250


class BoundedPaginator(BasePaginator):
    """Counts to ``LIMIT`` and ends there: to count a million takes longer than to show fifty."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, LIMIT)

    @property
    def is_bounded(self) -> bool:
        """Whether there are more rows than can be reached."""
        return self._counted > LIMIT

    @cached_property
    def _counted(self) -> int:
        rows = self.object_list
        if not isinstance(rows, models.QuerySet):
            return len(rows)
        if (found := getattr(rows, "count_of_found", None)) is not None:
            return int(found)
        return rows.order_by()[: LIMIT + 1].count()

    def page(self, number: int | str) -> Page[models.Model]:
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        rows = self.object_list
        if not bottom or not isinstance(rows, models.QuerySet) or hasattr(rows, "count_of_found"):
            return super().page(number)
        # The rows before are counted off in an index: neither read nor joined to anything.
        pks = _pks(rows, slice(bottom, min(bottom + self.per_page, self.count)))
        return Page(rows.filter(pk__in=pks), number, self)


class _PreparedList(ChangeList):
    model_admin: BoundedList[Any]

    def get_ordering_field(self, field_name: Callable[..., Any] | str) -> _OrderByFieldName | None:
        # Django has the address sort by any column, offered or not.
        offered = self.sortable_by or ()
        return super().get_ordering_field(field_name) if field_name in offered else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # The same objects are shown: a queryset keeps what it has read.
        rows = list(self.result_list)
        _keep_to_the_calendar(rows)
        self.model_admin.prepare_rows(request, rows)


def url_name(request: HttpRequest) -> str:
    match = request.resolver_match
    return (match and match.url_name) or ""


def is_list(request: HttpRequest) -> bool:
    """Whether a request is for a list, not for the page of one row."""
    return url_name(request).endswith("_changelist")


class BoundedList(ModelAdmin[M]):
    """A list of at most ``LIMIT`` rows, whatever is counted, shown or acted upon."""

    paginator = BoundedPaginator
    show_full_result_count = False
    # Each would count the whole table.
    show_facets = admin.ShowFacets.NEVER

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Read what the rows of a page show besides, for all at once, and set it on them."""

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return _PreparedList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> M | None:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            _keep_to_the_calendar([row])
            self.prepare_rows(request, [row])
        return row

    def response_action(
        self, request: HttpRequest, queryset: models.QuerySet[M], *args: Any, **options: Any
    ) -> HttpResponse | None:
        if not _is_as_written(request.POST):
            # Django would take a part of it, or everything there is.
            self.message_user(request, not_as_written(), "error")
            return None
        if request.POST.get("select_across", "0") != "0":
            # "Select all 5,000" is those, not the million behind them.
            queryset = queryset.filter(pk__in=_pks(queryset, slice(LIMIT)))
        return super().response_action(request, queryset, *args, **options)


def _keep_to_the_calendar(rows: Iterable[models.Model]) -> None:
    """Move stored moments that not every time zone has to the nearest one that each of them has.

    Nothing of today stores them. Django could not show them east or west of Greenwich.
    """
    for row in rows:
        for name, value in vars(row).items():
            if isinstance(value, datetime) and timezone.is_aware(value):
                vars(row)[name] = min(max(value, EARLIEST), LATEST)


def _is_as_written(form: QueryDict) -> bool:
    """Whether the form of an action holds what the list has written: rows, or all of them."""
    selected = form.getlist(ACTION_CHECKBOX_NAME)
    return (
        all(pk_of(text) is not None for text in selected)
        and len(set(selected)) == len(selected)
        # The box above the list and the one below it say the same.
        and set(form.getlist("select_across")) in (set(), {"0"}, {"1"})
        and form.getlist("index") in ([], ["0"], ["1"])
    )


class Arm(NamedTuple):
    """One way to find a text: what it means, and what an index finds it by."""

    means: models.Q
    found_by: models.Q
    is_all: bool = True


class IndexedSearch(BoundedList[M]):
    """A search of one text, each of whose arms is found by an index.

    ``search_prefixes`` are fields that may begin with the text: on PostgreSQL each needs an index
    of it, with ``varchar_pattern_ops``, and of the primary key. ``search_exact`` are fields that
    may be it. Both may lead through foreign keys.
    """

    search_prefixes: tuple[str, ...] = ()
    search_exact: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Django shows the box where this is not empty.
        cls.search_fields = (*cls.search_prefixes, *cls.search_exact)

    def __init__(self, model: type[M], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.search_fields and not self.search_help_text:
            vars(self)["search_help_text"] = lazy(self._search_help, str)()

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[M], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        found: set[object] = set()
        is_cut = False
        # One OR of all would be a sequential scan.
        for arm in self.search_arms(request, queryset, text) if text == sanitized(text) else ():
            pks = _pks(queryset.filter(arm.found_by).order_by(), slice(SEARCHED + 1))
            if len(pks) > SEARCHED or not arm.is_all:
                is_cut = True
                # An index finds them in its own order; the first of the list come before them.
                found.update(_pks(_first(queryset).filter(arm.means), slice(SEARCHED)))
            found.update(pks[: max(SEARCHED - len(found), 0)])
        if is_cut and request.method == "GET":
            words = _("More than %d match: these are the newest and some of the others. Type more.")
            self.message_user(request, words % SEARCHED, "warning", fail_silently=True)
        return (_found(queryset, found) if found else queryset.none()), False

    def search_arms(
        self, request: HttpRequest, queryset: models.QuerySet[M], text: str
    ) -> Iterable[Arm]:
        """Return this user's ways to find a text, each with an index of its own."""
        lookups = [(path, f"{path}__startswith") for path in self.search_prefixes]
        for path, lookup in (*lookups, *((path, path) for path in self.search_exact)):
            if _fits(get_fields_from_path(self.model, path)[-1], text, queryset.db):
                yield self._arm(request, path, lookup, text, queryset.db)

    def _arm(self, request: HttpRequest, path: str, lookup: str, text: str, using: str) -> Arm:
        means = models.Q((lookup, text))
        if "__" not in path:
            return Arm(means, means)
        key, _sep, beyond = lookup.partition("__")
        # What is found beyond a key is found first: a join may be begun at the wrong end.
        model: Any = self.opts.get_field(key).related_model
        rows = model._default_manager.using(using).filter(**{beyond: text})
        # How many others' rows match is nobody's to be told.
        pks = _pks(visible(rows, request), slice(SEARCHED + 1))
        return Arm(means, models.Q((f"{key}__in", pks)), is_all=len(pks) <= SEARCHED)

    def _search_help(self) -> str:
        def names(paths: Iterable[str]) -> str:
            return ", ".join(
                " – ".join(str(field.verbose_name) for field in fields)
                for fields in (get_fields_from_path(self.model, path) for path in paths)
            )

        parts = []
        if self.search_prefixes:
            parts.append(str(_("Beginning of: %s.") % names(self.search_prefixes)))
        if self.search_exact:
            parts.append(str(_("Exactly: %s.") % names(self.search_exact)))
        return capfirst(" ".join(parts))


def _pks(queryset: models.QuerySet[M], part: slice) -> list[object]:
    return list(queryset.values_list("pk", flat=True)[part])


def _first(queryset: models.QuerySet[M]) -> models.QuerySet[M]:
    """Return the first rows of a list, to be filtered."""
    pks: Any = queryset.values("pk")[:SEARCHED]
    if not connections[queryset.db].features.allow_sliced_subqueries_with_in:
        pks = list(pks.values_list("pk", flat=True))
    return queryset.filter(pk__in=pks).order_by()


def _found(queryset: models.QuerySet[M], pks: set[object]) -> models.QuerySet[M]:
    """Return a few rows of a list, to be sorted: along the index of its order all may be read."""
    order = [
        OrderBy(Coalesce(name.lstrip("-"), name.lstrip("-")), descending=name.startswith("-"))
        if isinstance(name, str)
        else name
        for name in queryset.query.order_by
    ]
    rows = queryset.filter(pk__in=pks).order_by(*order)
    # To count them is to send all of them once more.
    vars(rows)["count_of_found"] = len(pks)
    return rows


def _fits(field: Any, text: str, using: str) -> bool:
    """Whether a field could hold a text: for what it can't hold, no query is needed."""
    if isinstance(field, models.UUIDField):
        try:
            uuid.UUID(text)
        except ValueError:
            return False
        return True
    if isinstance(field, models.IntegerField):
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            return False
        _least, most = connections[using].ops.integer_field_range(field.get_internal_type())
        return most is None or int(text) <= most
    return field.max_length is None or len(text) <= field.max_length


class ValueFilter(admin.SimpleListFilter):
    """Values of a column: to ask the rows which there are would read all of them."""

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        return [(value, value) for value in self.values()]

    def values(self) -> Iterable[str]:
        """Return the values that are known; an address may name any other."""
        return ()

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[M]) -> models.QuerySet[M]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset


class ProjectFilter(ValueFilter):
    title = _("project")
    parameter_name = "project"

    def values(self) -> Iterable[str]:
        return known_projects()


class StateFilter(admin.SimpleListFilter):
    """States that are more than one column: to each its name, and what finds it by an index."""

    title = _("state")
    parameter_name = "state"
    states: Mapping[str, tuple[_StrOrPromise, Callable[[Any], Any]]] = {}

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        return [(value, label) for value, (label, _find) in self.states.items()]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[M]) -> models.QuerySet[M]:
        _label, find = self.states.get(self.value() or "", (None, None))
        return find(queryset) if find else queryset
