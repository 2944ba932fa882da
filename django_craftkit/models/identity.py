"""What an object of the project is known by: its database, schema, model and primary key."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connections, models, router
from django.utils import timezone
from django.utils.functional import cached_property

from django_craftkit.database import database, sanitized

from .content_types import content_types
from .exceptions import WrongSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A row's database, schema, content type and key.
Columns = tuple[str, "str | None", "int | None", str]
MAX_PK = 255
#: Bytes of a name in PostgreSQL, which alone has schemas.
MAX_SCHEMA = 63


@dataclass(frozen=True)
class Identity:
    """What an object is known by."""

    #: The alias its writes go to, "" where that is Craftkit's own.
    database: str
    #: The tenant's schema, ``None`` where there are none, or Craftkit's tables are in each.
    schema: str | None
    #: The concrete model; rows name it by its content type, which outlives a new name.
    model: type[models.Model]
    #: The primary key as its database has it.
    pk: str
    #: The same as the instance has it.
    given: Any = field(compare=False)

    @cached_property
    def forms(self) -> frozenset[str]:
        """``pk``, and what earlier versions may have written in its place."""
        forms = {self.pk, str(self.given)}
        value = _python_key(self.model, self.given)
        match value:
            case uuid.UUID():
                forms |= {value.hex, value.hex.upper(), self.pk.upper()}
            case Decimal() if isinstance(places := value.as_tuple().exponent, int):
                rounded = (round(value, fewer) for fewer in range(-places))
                forms |= {str(less) for less in rounded if less == value}
        return frozenset(form for form in forms if form == sanitized(form))

    @cached_property
    def type_id(self) -> int:
        """The content type in Craftkit's own database, made where there is none yet."""
        return int(content_types(database()).get_for_model(self.model).pk)

    @property
    def values(self) -> dict[str, Any]:
        """What a new row about the object holds."""
        return {
            "source_type_id": self.type_id,
            "source_id": self.pk,
            "source_db": self.database,
            "source_schema": self.schema,
        }

    @property
    def columns(self) -> list[Columns]:
        """What rows about the object hold, of this and of earlier versions."""
        return [(self.database, self.schema, self.type_id, form) for form in sorted(self.forms)]


class ContentTypeId(models.Expression):
    """The id of a model's content type, looked up as late as the query that it is a part of.

    So a queryset can be made where nothing may be queried: in a coroutine, say. Django keeps
    content types in a cache, but a new process knows none.
    """

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(output_field=models.IntegerField())
        self.model = model

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[int]]:
        meta = self.model._meta
        types = content_types(database())
        try:
            found = types.get_by_natural_key(meta.app_label, str(meta.model_name))
        except ContentType.DoesNotExist:
            raise EmptyResultSet from None  # no row can be about any object of the model
        return "%s", (found.pk,)


def any_of(known: Iterable[Identity]) -> models.Q:
    """Return what finds the rows about any of these objects."""
    forms: dict[tuple[str, str | None, type[models.Model]], set[str]] = {}
    for one in known:
        forms.setdefault((one.database, one.schema, one.model), set()).update(one.forms)
    found = models.Q(pk__in=[])
    for (alias, schema, model), keys in forms.items():
        found |= models.Q(
            source_type=ContentTypeId(model),
            source_id__in=sorted(keys),
            source_db=alias,
            source_schema=schema,
        )
    return found


def identify(source: models.Model) -> Identity:
    """Return what a saved object is known by.

    Queries nothing. Raises ``ValueError`` where it has no primary key yet, or one that no row can
    hold, and ``TypeError`` for a composite or binary one, which can't be read back from text.
    """
    return _identity(source, _checked_key(source))


def identify_if_known(source: models.Model) -> Identity | None:
    """Return what an object is known by; ``None`` where no row can be about it."""
    try:
        pk = _checked_key(source)
    except (TypeError, ValueError):
        return None
    return _identity(source, pk)


def _identity(source: models.Model, pk: str) -> Identity:
    # Where it is written, not the replica it may have been read from.
    model = source.__class__  # of what is behind a lazy object
    home = router.db_for_write(model, instance=source)
    return Identity(
        database="" if home == database() else home,
        schema=schema_of(model, home),
        model=model._meta.concrete_model or model,
        pk=pk,
        given=source.pk,
    )


def stored_key(model: type[models.Model], value: Any) -> str:
    """Return a primary key as it reads once it was saved and loaded again.

    ``value`` is the key of an instance, or the text of a row. Raises ``ValueError`` or
    ``TypeError`` where it is none that can be read back.
    """
    value = _python_key(model, value)
    return str(value.value if isinstance(value, Enum) else value)


def _checked_key(source: models.Model) -> str:
    if source.pk is None:
        raise ValueError(f"{source!r} has no primary key yet: save it before asking.")
    if isinstance(source.pk, tuple):
        raise TypeError(f"{source!r} has a composite key, which no generic key can hold.")
    pk = stored_key(source.__class__, source.pk)
    if len(pk) > MAX_PK:
        raise ValueError(f"{source!r} has a primary key of over {MAX_PK} characters.")
    if pk != sanitized(pk):
        raise ValueError(f"{source!r} has a primary key with a character that is none, like NUL.")
    return pk


def _python_key(model: type[models.Model], value: Any) -> Any:
    # The field whose values a primary key has: the last one that it refers to.
    column: Any = model._meta.pk
    while column.remote_field:
        column = column.target_field
    try:
        value = column.to_python(value)
        places = getattr(column, "decimal_places", None)
        if isinstance(value, Decimal) and places is not None:
            value = value.quantize(Decimal(1).scaleb(-places), context=column.context)
            value = value or abs(value)  # a column has no negative zero
        if isinstance(value, datetime):
            if timezone.is_naive(value) and settings.USE_TZ:
                value = timezone.make_aware(value)
            return value.astimezone(UTC) if timezone.is_aware(value) else value
    except (ArithmeticError, TypeError, ValueError, ValidationError) as error:
        name = f"{model._meta.label}.{column.name}"
        raise ValueError(f"{value!r} is no value of {name}, the primary key.") from error
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"{model._meta.label} has a binary primary key, which can't be read back from text: no "
            "document can be about one. Name another object as its source, or none, with a key."
        )
    return value


def schema_of(model: type[models.Model], using: str) -> str | None:
    """Return the tenant's schema that a connection finds a model's rows in.

    ``None`` where there are no schemas, in the one that tenants share, for models that they
    share, and where each tenant has Craftkit's tables too: rows are apart there already.
    """
    schema: str | None = getattr(connections[using], "schema_name", None)
    if not schema or schema == _public():
        return None
    kinds = _tenants_apps()
    own: Any = apps.get_app_config("craftkit")
    theirs: Any = (model._meta.concrete_model or model)._meta.app_config
    if not kinds:
        return schema
    if not any(_holds(kind, theirs) for kind in kinds):
        return None
    is_apart = using == database() and all(_holds(kind, own) for kind in kinds)
    return None if is_apart else schema


def _public() -> str:
    return str(getattr(settings, "PUBLIC_SCHEMA_NAME", "public"))


def _tenants_apps() -> list[list[str]]:
    """Return the apps that have tables in each tenant's schema, by kinds of tenants.

    As django-tenants reads its settings.
    """
    if getattr(settings, "HAS_MULTI_TYPE_TENANTS", False):
        kinds: dict[str, Any] = getattr(settings, "TENANT_TYPES", {})
        return [kind["APPS"] for name, kind in kinds.items() if name != _public()]
    names = getattr(settings, "TENANT_APPS", None)
    return [] if names is None else [names]


def _holds(names: list[str], config: Any) -> bool:
    path = f"{type(config).__module__}.{type(config).__qualname__}"
    return config.name in names or path in names


@contextmanager
def in_schema(model: type[models.Model], using: str, schema: str | None) -> Iterator[None]:
    """Have a connection read a model's rows in this schema.

    Raises ``WrongSchema`` where it can't: what it would read is another tenant's.
    """
    if schema_of(model, using) == schema:
        yield
        return
    connection: Any = connections[using]
    if schema is None or not hasattr(connection, "set_schema"):
        refuse_schema(model, using, schema)
    before, tenant = connection.schema_name, getattr(connection, "tenant", None)
    connection.set_schema(schema)
    try:
        refuse_schema(model, using, schema)
        yield
    finally:
        if tenant is None:
            connection.set_schema(before)
        else:
            connection.set_tenant(tenant)


def refuse_schema(model: type[models.Model], using: str, schema: str | None) -> None:
    """Raise ``WrongSchema`` where a connection reads a model's rows in another schema."""
    here = schema_of(model, using)
    if here != schema:
        raise WrongSchema(
            f"This document is about an object of {model._meta.label} {_where(schema)}, and the "
            f"connection {using!r} reads {_where(here)}. Enter the object's own, with "
            "schema_context() say, and read it there."
        )


def _where(schema: str | None) -> str:
    return "outside of the tenants' schemas" if schema is None else f"in the schema {schema!r}"
