"""Every list of the HTTP API, with few documents and with many: how much longer it takes.

Each list is read by everybody who may read it for another reason, plain, by each filter alone and
by pairs of them, in each order, from its beginning, from its middle and near its end. A filter or
an order that is added is measured, once ``_values`` knows what to filter by.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Count
from django.urls import reverse

from django_craftkit.api.pagination import KeysetPagination, _Cursor
from django_craftkit.api.querysets import own_documents
from django_craftkit.api.urls import router
from django_craftkit.models import Render

from .pages import FEW, MANY, Page, client_of, measure, most_read, visit
from .routers import on
from .rows import HOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.test import Client

    from .measure import Figure

#: A session, its user and their permissions take four, a rule or an object's permissions one,
#: the list one. People and links of other lists are read with one more.
MOST_QUERIES, MOST_OF_OTHERS = 6, 7
RIGHTS = (
    "view_render",
    "view_share",
    "view_signaturerequest",
    "view_engagementevent",
    "view_batch",
    "view_template",
)
BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
#: Rows of each kind that somebody has a permission for, one by one.
OF_OBJECTS = 20


@dataclass
class Person:
    """Somebody, and why they see what they see."""

    name: str
    username: str
    is_superuser: bool = False
    rights: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    pk: int | None = None
    #: Whether pairs of filters are measured, too.
    combines: bool = False

    def client(self, side: str) -> Client:
        client = client_of(side, self.username, is_superuser=self.is_superuser, pk=self.pk)
        with on(side):
            user = get_user_model()._default_manager.get(username=self.username)
            user.user_permissions.set(Permission.objects.filter(codename__in=self.rights))
            if "AUTHENTICATION_BACKENDS" in self.settings:
                _assign(user)
        return client


def documents(queryset: QuerySet[Render], request: Any) -> QuerySet[Render]:
    """Narrow to customers' own documents; the back office sees all of them."""
    if request.user.username.startswith("customer"):
        return own_documents(queryset, request)
    return queryset


NARROWED = {
    "CRAFTKIT": {"API_QUERYSET": f"{__name__}.documents", "API_OWNERS": {"auth.User": "pk"}}
}
PEOPLE = (
    Person("superuser", "api boss", is_superuser=True),
    Person("clerk", "api clerk", rights=RIGHTS, combines=True),
    Person("back office", "office", rights=RIGHTS, settings=NARROWED),
    Person("customer of half", "customer a", False, RIGHTS, NARROWED, HOLDER, combines=True),
    Person("customer of a few", "customer b", False, RIGHTS, NARROWED, HOLDER + 9, combines=True),
    Person("of objects", "guarded", settings={"AUTHENTICATION_BACKENDS": BACKENDS}),
)


def lists(rounds: int) -> list[Figure]:
    pages = _pages()
    of_documents = [page for page in pages if page.most_queries == MOST_QUERIES]
    others = [page for page in pages if page.most_queries == MOST_OF_OTHERS]
    return [
        *measure(of_documents, "page of documents by the API", rounds),
        *measure(others, "page of what belongs to them", rounds),
    ]


def _assign(user: Any) -> None:
    from guardian.shortcuts import assign_perm

    for _, viewset, _ in router.registry:
        right = f"craftkit.{viewset.permissions['list']}"
        rows = viewset.queryset.model._default_manager.order_by("pk")
        for row in rows[: 3 * OF_OBJECTS : 3]:
            assign_perm(right, user, row)


def _pages() -> list[Page]:
    clients = {
        person.name: {side: person.client(side) for side in (FEW, MANY)} for person in PEOPLE
    }
    values = {}
    for side in (FEW, MANY):
        with on(side):
            values[side] = _values()
    pages = []
    for person, (_, viewset, name) in itertools.product(PEOPLE, router.registry):
        for query, order, place in _ways(viewset, person):
            addresses = {}
            for side in (FEW, MANY):
                with on(side):
                    parts = {key: values[side][key, value] for key, value in query.items()}
                    addresses[side] = _address(viewset, name, parts, order, _after(viewset, place))
            said = [f"{person.name}: {name}", *(f"{k} = {v}" for k, v in query.items())]
            said += filter(None, (order, place))
            pages.append(
                Page(
                    ", ".join(said),
                    addresses,
                    clients[person.name],
                    person.settings,
                    MOST_QUERIES if name == "render" else MOST_OF_OTHERS,
                )
            )
    for page in pages:
        _level(page)
    return pages


def _ways(viewset: Any, person: Person) -> Iterator[tuple[dict[str, str], str, str]]:
    """Return what a list is filtered and ordered by, and where it is looked at."""
    first, *others = viewset.orderings
    yield {}, first, "end"
    for query in _queries(viewset, at_once=2 if person.combines else 1):
        yield query, first, ""
        if len(query) < 2:
            yield query, first, "middle"
            yield from ((query, order, "") for order in others)


def _level(page: Page) -> None:
    """Have both sides show as many rows, where both have any."""
    shown = [len(visit(page, side)[1].json()["results"]) for side in (FEW, MANY)]
    if 0 < min(shown) < max(shown):
        for side in page.addresses:
            page.addresses[side] += f"&page_size={min(shown)}"


def _values() -> dict[tuple[str, str], str]:
    """Return what may be filtered by on a side, by the filter and what the value is called."""
    newest = Render.objects.order_by("-requested_at")
    middle = newest[newest.count() // 2]
    found = {
        ("template", "rare"): "certificate",
        ("template", "often"): "invoice",
        ("project", "rare"): "eu",
        ("project", "absent"): "nowhere",
        ("key", "one"): middle.key,
        ("key", "absent"): "nothing",
        ("source_type", "all"): "auth.user",
        ("source_type", "absent"): "auth.group",
        ("source_id", "half"): str(HOLDER),
        ("source_id", "few"): str(HOLDER + 9),
        ("requested_after", "middle"): middle.requested_at.isoformat(),
        ("requested_before", "middle"): middle.requested_at.isoformat(),
        ("render", "most read"): str(most_read()),
        ("render", "another"): str(middle.pk),
        ("batch", "one"): str(middle.batch_id),
        ("batch", "absent"): "987654321",
        ("name", "one"): "Invoices 7",
        ("name", "absent"): "nothing",
        ("recipient_email", "one"): "anna.7@example.org",
        ("recipient_email", "absent"): "nobody@example.org",
    }
    for _, viewset, _ in router.registry:
        for name, one in viewset.filterset_class.base_filters.items():
            for value, _ in one.extra.get("choices", ()):
                found[name, str(value)] = str(value)
    return found


def _queries(viewset: Any, *, at_once: int) -> Iterator[dict[str, str]]:
    """Return what a list is filtered by: nothing, each value, the first values of each pair."""
    with on(FEW):
        known = _values()
        by_name: dict[str, list[str]] = {}
        for name, one in viewset.filterset_class.base_filters.items():
            by_name[name] = [called for key, called in known if key == name]
            if "choices" in one.extra:
                by_name[name] = _some(viewset.queryset.model, name)
    if missing := [name for name, values in by_name.items() if not values]:
        raise RuntimeError(f"Nothing is known to filter {viewset.__name__} by {missing} with.")
    yield {}
    for name, values in by_name.items():
        yield from ({name: value} for value in values)
    if at_once > 1:
        for one, other in itertools.combinations(by_name, 2):
            yield {one: by_name[one][0], other: by_name[other][0]}


def _some(model: Any, column: str) -> list[str]:
    """Return the rarest value, one between, and the one that most rows have."""
    rows = model._default_manager.values(column).order_by()
    by_number = rows.annotate(number=Count("pk")).order_by("number", column)
    found = [row[column] for row in by_number]
    return list(dict.fromkeys([found[0], found[len(found) // 2], found[-1]]))


def _address(viewset: Any, name: str, query: dict[str, str], order: str, after: int | None) -> str:
    if order:
        query = {**query, "ordering": order}
    if after is not None:
        query = {**query, "cursor": _cursor(viewset, query, order, after)}
    return f"{reverse(f'craftkit-api:{name}-list')}?{urlencode(query)}"


def _cursor(viewset: Any, query: dict[str, str], order: str, after: int) -> str:
    """Return what ``next`` holds once somebody has seen so many rows of all."""
    columns = viewset.orderings[order]
    if "render" in query and not order:
        columns = ("-occurred_at", "-id")
    # Rows are numbered as they came.
    rows = viewset.queryset.model._default_manager
    row = rows.get(pk=rows.latest("pk").pk - after)
    values = tuple(getattr(row, column.removeprefix("-")) for column in columns)
    return _Cursor(False, values).encode()


def _after(viewset: Any, place: str) -> int | None:
    """Return after how many rows a place is, of the newest first."""
    total: int = viewset.queryset.model._default_manager.latest("pk").pk
    places = {"": None, "middle": total // 2, "end": total - 2 * KeysetPagination.page_size}
    return places[place]
