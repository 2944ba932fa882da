"""Tenants: whose tables code works on, where a project keeps each tenant's in its own place.

``CRAFTKIT["TENANTS"]`` names a class that says which tenant is the current one, enters one, and
lists them. Without it there is one set of tables, and its name is ``""``.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from . import conf
from .database import database, describe, drop_broken
from .failures import is_in_transaction, time_limits
from .log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from django.db import models

    Row = tuple[Any, ...]
    #: Returns the parameters of a statement for each of the tenants that it asks.
    Params = Callable[[Sequence[str]], Sequence[Sequence[Any]]]

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: Tenants that one statement asks.
TOGETHER = 200


class Tenants:
    """What ``CRAFTKIT["TENANTS"]`` names a class of: made once a process, without arguments.

    ``current``, ``enter`` and ``names`` are a project's to write; the others may be. The name of a
    tenant is any text but ``""``; it is part of links, messages and logs, and should never change.
    """

    #: What ``current`` returns where no tenant was entered: in a new thread, in a command.
    outside = ""

    def current(self) -> str:
        """Return the name of the tenant whose tables queries of this thread, or task, reach now.

        It is called often, and queries nothing.
        """
        raise NotImplementedError

    def enter(self, name: str) -> AbstractContextManager[object]:
        """Return a context manager in which queries of this thread, or task, reach one's tables.

        Left, it leads back to where it was entered from. It may be entered in any thread, and
        within another.

        Args:
            name: one that ``names`` has returned, or another thread's ``current``.
        """
        raise NotImplementedError

    def names(self) -> Iterable[str]:
        """Return the names of all tenants that have Craftkit's tables."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Whether there is such a tenant, and it has Craftkit's tables."""
        return name in self.names()

    def table(self, name: str, table: str) -> str | None:
        """Return the quoted SQL name of a tenant's table, for statements outside of all tenants.

        Args:
            name: the tenant's.
            table: the name that Django has of it.

        Returns:
            ``None`` where a connection reaches the tables of one tenant only: then each is asked by
            statements of its own.
        """
        return None


class TenantLeft(Exception):
    """Code of the project's has entered another tenant and not left it again."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"It was called in the tenant {name!r} and left {found!r} entered. Enter another one "
            "with a context manager: it leads back."
        )


class DjangoTenants(Tenants):
    """The tenants of django-tenants, each in a schema of PostgreSQL; its name is the tenant's.

    The shared schema is one of them if ``SHARED_APPS`` names Craftkit.
    """

    @property
    def outside(self) -> str:  # type: ignore[override]
        return str(getattr(settings, "PUBLIC_SCHEMA_NAME", "public"))

    def current(self) -> str:
        return str(self._connection.schema_name)

    @contextmanager
    def enter(self, name: str) -> Iterator[None]:
        # Not schema_context: it remembers the tenant of the connection "default", whatever
        # TENANT_DB_ALIAS says, and forgets all content types although nothing changes.
        connection = self._connection
        before, with_public = connection.tenant, connection.include_public_schema
        if connection.schema_name != name:
            connection.set_tenant(_Tenant(name))
        try:
            yield
        finally:
            # Also what was set in here, by whatever name: a schema, or the public one.
            if connection.tenant is not before or connection.include_public_schema != with_public:
                connection.set_tenant(before, with_public)

    def names(self) -> list[str]:
        with self.enter(self.outside):
            names = set(self._with_tables().values_list("schema_name", flat=True))
        names.discard(self.outside)
        return sorted(names) + [self.outside] * self._is_shared

    def has(self, name: str) -> bool:
        if name == self.outside:
            return self._is_shared
        with self.enter(self.outside):
            return bool(self._with_tables().filter(schema_name=name).exists())

    def table(self, name: str, table: str) -> str:
        return ".".join('"{}"'.format(part.replace('"', '""')) for part in (name, table))

    @property
    def _connection(self) -> Any:
        return connections[getattr(settings, "TENANT_DB_ALIAS", DEFAULT_DB_ALIAS)]

    @property
    def _is_shared(self) -> bool:
        return any(map(_is_craftkit, _shared_apps(self.outside)))

    def _with_tables(self) -> models.QuerySet[Any]:
        # One that is being made, or is kept without a schema, has none.
        table = apps.get_model("craftkit", "Job")._meta.db_table
        has_table = RawSQL(
            "to_regclass(format('%%I.%%I', schema_name, %s::text)) IS NOT NULL",
            [table],
            output_field=BooleanField(),
        )
        return _rows(self._connection.alias).filter(has_table)


class _Tenant(SimpleLazyObject):  # type: ignore[type-arg]
    """A tenant of django-tenants: its row is read where more is wanted of it than its schema."""

    def __init__(self, name: str) -> None:
        self.__dict__["schema_name"] = name
        super().__init__(partial(_read_tenant, name))


def _read_tenant(name: str) -> Any:
    return _rows(getattr(settings, "TENANT_DB_ALIAS", DEFAULT_DB_ALIAS)).get(schema_name=name)


def _rows(alias: str) -> models.QuerySet[Any]:
    model: Any = apps.get_model(getattr(settings, "TENANT_MODEL", ""))
    tenants: models.QuerySet[Any] = model._base_manager.using(alias)
    return tenants


def are_overlooked() -> bool:
    """Whether django-tenants keeps Craftkit's tables in each schema, where no setting says so."""
    if not hasattr(settings, "TENANT_MODEL"):
        return False
    types: dict[str, Any] = getattr(settings, "TENANT_TYPES", {})
    public = getattr(settings, "PUBLIC_SCHEMA_NAME", "public")
    apps_of_tenants = [
        *getattr(settings, "TENANT_APPS", ()),
        *(path for name, one in types.items() if name != public for path in one.get("APPS", ())),
    ]
    return any(map(_is_craftkit, apps_of_tenants))


def _shared_apps(public: str) -> list[str]:
    """Return the apps whose tables are in the schema that django-tenants' tenants share."""
    if getattr(settings, "HAS_MULTI_TYPE_TENANTS", False):
        return list(getattr(settings, "TENANT_TYPES", {}).get(public, {}).get("APPS", ()))
    return list(getattr(settings, "SHARED_APPS", ()))


def _is_craftkit(path: str) -> bool:
    config = apps.get_app_config("craftkit")
    return path in (config.name, f"{type(config).__module__}.{type(config).__qualname__}")


def are_used() -> bool:
    """Whether each tenant of this project has tables of its own."""
    return conf.options().TENANTS is not None


def current() -> str:
    """Return the name of the tenant whose tables are used now; ``""`` without tenants."""
    tenants = _tenants()
    return "" if tenants is None else tenants.current()


def entered() -> str:
    """Return the name of the tenant that was entered; ``""`` outside of all of them."""
    tenants = _tenants()
    if tenants is None:
        return ""
    name = tenants.current()
    return "" if name == tenants.outside else name


def enter(name: str) -> AbstractContextManager[object]:
    """Return a context manager in which the tables of a tenant are used; left, it leads back.

    Args:
        name: one of ``names()``; without tenants ``""``.
    """
    tenants = _tenants()
    return nullcontext() if tenants is None else tenants.enter(name)


def names() -> list[str]:
    """Return the names of all tenants; without tenants ``[""]``."""
    tenants = _tenants()
    return [""] if tenants is None else list(tenants.names())


def has(name: str) -> bool:
    """Whether there is such a tenant."""
    tenants = _tenants()
    return not name if tenants is None else tenants.has(name)


def bound(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that works on the tables that are used now, in whatever thread it runs.

    Args:
        function: what a thread of yours runs, say.
    """
    if not are_used():
        return function
    name = current()

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with enter(name):
            return function(*args, **kwargs)

    return run


@contextmanager
def kept() -> Iterator[None]:
    """Let code of the project's that leaves the tenant for another change nothing in either.

    Raises:
        TenantLeft: it has not come back; the tenant is the one from before again.
    """
    if not are_used():
        yield
        return
    name = current()
    with enter(name):
        yield
        found = current()
    if found != name:
        raise TenantLeft(name, found)


def apart(what: str) -> str:
    """Return a name that is another one for each tenant: a salt of what this site signs, say.

    Primary keys of two tenants may be the same, and their ``SECRET_KEY`` is. Without tenants it
    is ``what``.
    """
    name = current()
    return f"{what}:{name}" if name else what


def table(name: str, model: type[models.Model]) -> str | None:
    """Return the SQL name of a tenant's table, as ``Tenants.table`` does."""
    tenants = _tenants()
    found = None if tenants is None else tenants.table(name, model._meta.db_table)
    # In a statement with parameters.
    return None if found is None else found.replace("%", "%%")


def select(
    some: Sequence[str],
    sql: str,
    tables: Mapping[str, type[models.Model]],
    params: Params,
) -> Iterator[tuple[str, list[Row] | None]]:
    """Yield what a SELECT finds in the tables of each of these tenants, with the tenant's name.

    ``sql`` has the tables in braces, by their keys in ``tables``; ``params`` returns its parameters
    for each of the tenants that one statement asks, and may query the connection that does. Where
    one connection reaches all of their tables that is some hundreds of them. ``None``: a tenant
    could not be asked, and the log says why.
    """
    for start in range(0, len(some), TOGETHER):
        part = some[start : start + TOGETHER]
        named = [{key: table(name, one) for key, one in tables.items()} for name in part]
        if all(map(all, (one.values() for one in named))):
            try:
                yield from _select_together(part, sql, named, params)
                continue
            except Error as error:
                refuse_in_transaction(error)
                # One of them is gone by now, say: which one is told below.
                logger.info("%d tenants are asked one by one: %s", len(part), error)
        for name in part:
            yield name, _select_alone(name, sql, tables, params)


def _select_together(
    part: Sequence[str],
    sql: str,
    named: Sequence[Mapping[str, str | None]],
    params: Params,
) -> Iterator[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {name: [] for name in part}
    selects = [
        f"SELECT {number}, found.* FROM ({sql.format(**one)}) found"  # noqa: S608
        for number, one in enumerate(named)
    ]
    values = [one for some in params(part) for one in some]
    with connections[database()].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), values)
        for number, *row in cursor.fetchall():
            found[part[number]].append(tuple(row))
    yield from found.items()


def _select_alone(
    name: str,
    sql: str,
    tables: Mapping[str, type[models.Model]],
    params: Params,
) -> list[Row] | None:
    with ExitStack() as stack:
        try:
            stack.enter_context(enter(name))
            connection = connections[database()]
            quote = connection.ops.quote_name
            quoted = {key: quote(one._meta.db_table) for key, one in tables.items()}
            (values,) = params([name])
            with connection.cursor() as cursor:
                cursor.execute(sql.format(**quoted), values)
                return list(cursor.fetchall())
        except time_limits():
            raise
        except Exception as error:
            # A project's own ``enter`` may raise anything.
            if isinstance(error, Error):
                refuse_in_transaction(error)
            logger.warning("The tenant %r could not be asked: %s", name, describe(error))
            return None


def refuse_in_transaction(error: Error) -> None:
    """Raise what has broken somebody's transaction."""
    connection = connections[database()]
    if is_in_transaction(connection):
        raise error
    drop_broken(connection)


def _tenants() -> Tenants | None:
    path = conf.options().TENANTS
    return None if path is None else _made(path)


@cache
def _made(path: str) -> Tenants:
    tenants: Tenants = import_string(path)()
    return tenants
