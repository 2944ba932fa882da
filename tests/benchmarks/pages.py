"""Every page of staff's, with few documents and with many: how much longer it takes.

The pages are those that the admin has: each list plain, by each value of each filter, searched in
each way, its last page, by each order that is offered; each kind of object; the fronts. A page,
filter or order that is added is measured without a word here.
"""

from __future__ import annotations

import statistics
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth import get_user_model
from django.db import connections, models
from django.db.models import Count
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse

from django_craftkit.models import EngagementEvent, Render

from .measure import Figure, prepared, say
from .routers import on
from .rows import Size, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW, MANY = "few", "many"
MOST_TIMES, MOST_QUERIES = 2.0, 10
#: How much longer pages are measured that were slow.
AGAIN = 5
#: Pages that are named one by one.
NAMED = 15


@dataclass
class Page:
    """A page, its address on either side, and how long it took there in each round."""

    name: str
    addresses: dict[str, str]
    #: Who reads it, on either side.
    clients: dict[str, Client]
    #: The site's settings while it is read.
    settings: dict[str, Any] = field(default_factory=dict)
    most_queries: int = MOST_QUERIES
    seconds: dict[str, list[float]] = field(default_factory=lambda: {FEW: [], MANY: []})
    queries: int = 0

    def median(self, side: str) -> float:
        return statistics.median(self.seconds[side]) * 1000

    @property
    def ratio(self) -> float:
        return self.median(MANY) / self.median(FEW)

    @property
    def missed(self) -> bool:
        return self.ratio > MOST_TIMES or self.queries > self.most_queries


def fill_both(renders: int, events: int) -> None:
    """Fill both sides."""
    sizes = {FEW: Size(1000, 3000), MANY: Size(renders, events)}
    for side, size in sizes.items():
        fill(side, size)


def pages(rounds: int) -> list[Figure]:
    """Time each page on both sides in turns."""
    return measure(_pages(), "page", rounds)


def measure(listed: list[Page], what: str, rounds: int) -> list[Figure]:
    say(f"Each {what}, of {len(listed)}, in {rounds} rounds, with few documents and with many:")
    _rounds(listed, rounds)
    slow = [page for page in listed if page.missed]
    at_first = max(page.ratio for page in listed)
    if slow:
        # What else the machine did may have met one side only. The fast ones get no second look,
        # which favours the target: so the table says how many did, and what was seen at first.
        say(f"{len(slow)} were slow, so they are measured {AGAIN} times as often:")
        _rounds(slow, AGAIN * rounds)
    for page in listed:
        with on(MANY), CaptureQueriesContext(connections[MANY]) as queries:
            visit(page, MANY)
        page.queries = len(queries)
    say(report(listed))
    return [
        Figure(f"times that a {what} takes with many documents", [p.ratio for p in listed]),
        Figure("of those, slow at first and measured again", [len(slow)]),
        Figure(f"the slowest {what} at first", [at_first]),
        Figure(
            f"the slowest {what}",
            [max(page.ratio for page in listed)],
            at_most=MOST_TIMES,
            note=max(listed, key=lambda page: page.ratio).name,
        ),
        Figure(
            f"queries of the {what} that has most",
            [max(page.queries for page in listed)],
            at_most=listed[0].most_queries,
            note=max(listed, key=lambda page: page.queries).name,
        ),
    ]


def _rounds(listed: list[Page], rounds: int) -> None:
    """Time each page on both sides in turns; the first round warms up."""
    for page in listed:
        page.seconds = {FEW: [], MANY: []}
    for number in range(rounds + 1):
        with prepared():
            for page in listed:
                # Who goes first changes, so that what else the machine does meets both.
                for side in (FEW, MANY) if number % 2 else (MANY, FEW):
                    page.seconds[side].append(visit(page, side)[0])
        say(f"  round {number} of {rounds}")
    for page in listed:
        page.seconds = {side: values[1:] for side, values in page.seconds.items()}


def report(listed: list[Page]) -> str:
    """Return the pages that miss their target, and the worst of the others."""
    worst = sorted(listed, key=lambda page: page.ratio, reverse=True)
    lines = [f"{'page':66}  {'few':>9} {'many':>9} {'ratio':>6} {'queries':>7}"]
    lines += [
        f"{page.name[:66]:66}  {page.median(FEW):6.1f} ms {page.median(MANY):6.1f} ms "
        f"{page.ratio:6.2f} {page.queries:7}{'  MISSED' if page.missed else ''}"
        for number, page in enumerate(worst)
        if page.missed or number < NAMED
    ]
    return "\n".join(lines)


def client_of(side: str, name: str, **defaults: Any) -> Client:
    """Return a client that somebody of one side is logged in with."""
    with on(side):
        users = get_user_model()._default_manager.using(side)
        user, _made = users.get_or_create(username=name, defaults=defaults)
        client = Client()
        client.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    return client


def visit(page: Page, side: str) -> tuple[float, Any]:
    """Return how long a page takes, and what it answers."""
    with on(side), override_settings(**page.settings):
        began = time.perf_counter()
        response = page.clients[side].get(page.addresses[side])
        spent = time.perf_counter() - began
    if response.status_code != 200:
        raise RuntimeError(f"{page.addresses[side]} answered {response.status_code}.")
    return spent, response


def _pages() -> list[Page]:
    """Return what both sides have: a row or a word of one side may be another on the other."""
    clients = {
        side: client_of(side, "boss", is_staff=True, is_superuser=True) for side in (FEW, MANY)
    }
    found: dict[str, dict[str, str]] = {}
    for side in (FEW, MANY):
        with on(side):
            for name, address in _addresses():
                found.setdefault(name, {})[side] = address
    alone = [name for name, addresses in found.items() if len(addresses) == 1]
    if alone:
        raise RuntimeError(f"Only one side has {', '.join(alone)}.")
    # The first page again, where there is no other.
    return [
        Page(name, addresses, clients)
        for name, addresses in found.items()
        if not addresses[MANY].endswith("&p=1")
    ]


def _addresses() -> Iterator[tuple[str, str]]:
    yield "front of the site", reverse("admin:index")
    yield "front of the app", reverse("admin:app_list", args=["craftkit"])
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "craftkit":
            base = reverse(f"admin:craftkit_{model._meta.model_name}_changelist")
            for name, query in _lists(model_admin, base):
                yield f"{model._meta.model_name}: {name}", f"{base}?{query}"
            for name, pk in _objects(model):
                for page in ("change", "history"):
                    address = reverse(f"admin:craftkit_{model._meta.model_name}_{page}", args=[pk])
                    yield f"{model._meta.model_name}: {page} of {name}", address


def _lists(model_admin: Any, base: str) -> Iterator[tuple[str, str]]:
    """Return each list that has a link or a box, with its query; the last page of most."""
    plain = _changelist(model_admin, base)
    kinds = [("plain", "")]
    for spec in plain.filter_specs:
        kinds += [
            (f"{spec.title} = {choice['display']}", choice["query_string"].lstrip("?"))
            for choice in list(spec.choices(plain))
            if not choice["selected"]
        ]
    if plain.search_fields:
        for name, text in _words(model_admin):
            kinds.append((f"search for {name}", urlencode({"q": text})))
    if any(field.name == "render" for field in model_admin.model._meta.fields):
        kinds.append(("of the document most read", f"render__id__exact={most_read()}"))
    for name, query in kinds:
        yield name, query
        paginator = _changelist(model_admin, f"{base}?{query}").paginator
        # The last that is full: a page of three rows says nothing about one of fifty.
        last = max(paginator.count // paginator.per_page, 1)
        yield f"{name}, last page", f"{query}&p={last}"
    for number, name in enumerate(plain.list_display):
        is_offered = plain.sortable_by is None or name in plain.sortable_by
        if is_offered and plain.get_ordering_field(name):
            yield f"by {name}", urlencode({"o": number})
            yield f"by {name}, backwards", urlencode({"o": -number})


def _changelist(model_admin: Any, address: str) -> Any:
    request = RequestFactory().get(address)
    request.user = get_user_model()._default_manager.get(username="boss")
    return model_admin.get_changelist_instance(request)


def _words(model_admin: Any) -> Iterator[tuple[str, str]]:
    """Return what may be searched for: what is there, once or often, and what is not."""
    yield "nothing there", "zzz-no-such-thing"
    yield "no such id", str(uuid.UUID(int=7))
    yield "no such number", "987654321987"
    rows = model_admin.model._default_manager
    for path in model_admin.get_search_fields(None):
        known = rows.exclude(**{f"{path}__isnull": True})
        if isinstance(get_fields_from_path(model_admin.model, path)[-1], models.CharField):
            known = known.exclude(**{path: ""})
        # The middle is where both sides have as much that begins alike.
        middle = known.order_by("-pk").values_list("pk", flat=True)[0] // 2
        for which, from_ in (
            ("old", known.filter(pk__gte=middle).order_by("pk")),
            ("new", known.order_by("-pk")),
        ):
            value = from_.values_list(path, flat=True).first()
            if value is None:
                continue
            yield f"a whole {path} ({which})", str(value)
            if path in getattr(model_admin, "search_prefixes", ()):
                for length, name in ((3, "3 letters"), (12, "12 letters"), (-3, "nearly all")):
                    text = _full_page(known, path, value[:length], model_admin.list_per_page)
                    yield f"{path} by {name} ({which})", text


def _full_page(rows: Any, path: str, text: str, number: int) -> str:
    """Return as much of a text as a page full of rows begins with: on both sides as many."""
    for length in range(len(text), 1, -1):
        found = rows.filter(**{f"{path}__startswith": text[:length]}).order_by().values("pk")
        if len(found[:number]) == number:
            return text[:length]
    return text[:1]


def _objects(model: Any) -> Iterator[tuple[str, int]]:
    rows = model._default_manager
    yield "the oldest", rows.order_by("pk").values_list("pk", flat=True)[0]
    yield "the newest", rows.order_by("-pk").values_list("pk", flat=True)[0]
    if model is Render:
        yield "the one most read", most_read()


def most_read() -> int:
    events = EngagementEvent.objects.values("render").order_by()
    row = events.annotate(number=Count("pk")).order_by("-number").values_list("render")[0]
    return int(row[0])
