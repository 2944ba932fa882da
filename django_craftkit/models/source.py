"""What a row is about: an object of the project's own, of any model, in any database."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models, router
from django.utils.translation import gettext_lazy as _

from django_craftkit.database import database
from django_craftkit.twins import in_thread

from . import identity
from .columns import RowKey
from .content_types import content_types
from .exceptions import WrongSchema
from .rows import RowQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .identity import Columns, Identity

M = TypeVar("M", bound=models.Model)


class SourceKey(GenericForeignKey):
    """A generic foreign key whose object may live in another database than the row."""

    def contribute_to_class(  # type: ignore[override]
        self, cls: Any, name: str, **kwargs: Any
    ) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        # Django's would read the row's database, and compare content types of two, whose ids
        # differ.
        setattr(cls, name, SourceDescriptor(self))


class Place(NamedTuple):
    """Where an object is to be read, and by which key."""

    using: str | None
    model: type[models.Model]
    pk: str


class SourceDescriptor:
    """Django's descriptor of a generic key, for objects that are each in a database of its own."""

    def __init__(self, key: SourceKey) -> None:
        self.field = key

    def is_cached(self, instance: Sourced) -> bool:
        return bool(self.field.is_cached(instance))

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        if self.is_cached(instance):
            known = self.field.get_cached_value(instance)
            # The row may have been made to be about another since. Not compared by database: what
            # was set may have been read from a replica.
            place = instance.place
            if known is None or (place is not None and _place_of(known)[1:] == place[1:]):
                return known
            self.field.delete_cached_value(instance)
        instance.refuse_schema()
        mode = getattr(instance._state, "fetch_mode", None)
        if mode is None:  # before Django 6.1
            self.fetch_one(instance)
        else:
            mode.fetch(self, instance)
        return self.field.get_cached_value(instance)

    def __set__(self, instance: Any, value: models.Model | None) -> None:
        if value is None:
            instance.source_type, instance.source_id = None, ""
            instance.source_db, instance.source_schema = "", None
        else:
            instance.set_source(value)
        self.field.set_cached_value(instance, value)

    def fetch_one(self, instance: Sourced) -> None:
        """Read the source of a row; Django calls it in its mode ``FETCH_ONE``."""
        self.field.set_cached_value(instance, next(iter(_read([instance], {})), None))

    def fetch_many(self, instances: Iterable[Sourced]) -> None:
        """Read the sources of rows that were read together, for ``FETCH_PEERS``."""
        missing = [one for one in instances if not self.is_cached(one) and one.is_in_schema]
        models.prefetch_related_objects(missing, self.field.name)

    def get_prefetch_querysets(
        self, instances: Sequence[Sourced], querysets: Iterable[models.QuerySet[Any]] | None = None
    ) -> tuple[list[Any], Callable[[Any], Any], Callable[[Any], Any], bool, str, bool]:
        custom: dict[Any, models.QuerySet[Any]] = {}
        for queryset in querysets or ():
            model = queryset.model._meta.concrete_model
            if model in custom:
                raise ValueError("Only one queryset is allowed for each content type.")
            custom[model] = queryset
        for instance in instances:
            instance.refuse_schema()
        found = _read(instances, custom)
        return found, _place_of, lambda row: row.place, True, self.field.name, False


def _read(
    rows: Sequence[Sourced], custom: dict[type[models.Model], models.QuerySet[Any]]
) -> list[Any]:
    """Return the sources of rows: a query for each model and database."""
    wanted: dict[tuple[str | None, type[models.Model]], set[str]] = {}
    for row in rows:
        if (place := row.place) is not None:
            wanted.setdefault((place.using, place.model), set()).add(place.pk)
    found: list[Any] = []
    for (using, model), pks in wanted.items():
        queryset: Any = custom.get(model, model._base_manager.all())
        queryset = queryset.using(using).filter(pk__in=pks)
        if hasattr(queryset, "fetch_mode"):  # Django 6.1
            queryset = queryset.fetch_mode(rows[0]._state.fetch_mode)
        found.extend(queryset)
    return found


def _place_of(source: models.Model) -> Place:
    model = source._meta.concrete_model or type(source)
    return Place(source._state.db, model, identity.stored_key(model, source.pk))


class SourcedQuerySet(RowQuerySet[M]):
    """Rows that are about objects of the project's own."""

    def for_objects(self, objects: Iterable[models.Model]) -> Self:
        """Return the rows about any of these objects, of whatever models; none are read."""
        known = (identity.identify_if_known(one) for one in objects)
        return self.filter(identity.any_of(one for one in known if one is not None))


class Sourced(models.Model):
    """A row that is about an object."""

    source_type = RowKey(
        ContentType, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    source_id = models.CharField(_("source"), max_length=identity.MAX_PK, blank=True)
    #: The database the source was saved to, where it isn't this row's own.
    source_db = models.CharField(max_length=64, blank=True, editable=False)
    #: The tenant's schema, where the source's table is in each and this row's is not.
    source_schema = models.CharField(  # noqa: DJ001 - a column with NULL is added at once
        max_length=identity.MAX_SCHEMA, null=True, blank=True, editable=False
    )
    source = SourceKey("source_type", "source_id")

    class Meta:
        abstract = True

    @in_thread
    def asource(self) -> models.Model | None:
        """Async version of ``source``: a method."""
        source: models.Model | None = self.source
        return source

    def set_source(self, source: models.Model) -> Identity:
        """Say what the document is about; the object must have been saved."""
        known = identity.identify(source)
        for name, value in known.values.items():
            setattr(self, name, value)
        return known

    @property
    def source_values(self) -> dict[str, Any]:
        """What another row holds that is about the same."""
        return {
            "source_type_id": self.source_type_id,
            "source_id": self.source_id,
            "source_db": self.source_db,
            "source_schema": self.source_schema,
        }

    @property
    def source_columns(self) -> Columns:
        return self.source_db, self.source_schema, self.source_type_id, self.source_id

    def is_about(self, source: Identity | None) -> bool:
        """Whether the row is about this object, in whatever form its key was written here."""
        if source is None:
            return self.source_type_id is None and not self.source_id
        here = (self.source_db, self.source_schema, self.source_type_id)
        if here != (source.database, source.schema, source.type_id):
            return False
        # In its own form, but for the rows of earlier versions.
        if self.source_id == source.pk or self.source_id in source.forms:
            return True
        return self.place is not None and self.place.pk == source.pk

    def read_source(self, proxy: Any = None) -> models.Model | None:
        """Return the source as its database has it now, or ``None`` where it is gone.

        ``proxy`` is the proxy model to read it as. Raises ``WrongSchema``.
        """
        self.refuse_schema()
        place = self.place
        if place is None:
            return None
        model = place.model
        if isinstance(proxy, type) and issubclass(proxy, model) and proxy._meta.proxy:
            model = proxy
        # The primary, whatever this row was read from.
        manager = model._base_manager.using(self.source_db or database())
        return manager.filter(pk=place.pk).first()

    @property
    def place(self) -> Place | None:
        """Where the source is to be read; ``None`` where its model or its key is none any more."""
        model = self._source_model()
        if model is None:
            return None
        try:
            pk = identity.stored_key(model, self.source_id)
        except (TypeError, ValueError):
            return None
        return Place(self.source_db or self._state.db or database(), model, pk)

    @property
    def shown_place(self) -> str:
        """Where the source is, to be shown after its name; "" for the row's own database."""
        names = ", ".join(filter(None, (self.source_db, self.source_schema)))
        return f" ({names})" if names else ""

    @property
    def is_where_its_model_is(self) -> bool:
        """Whether a page about the model, that names no database, is about this very object."""
        model = self._source_model()
        home = self.source_db or database()
        return model is None or (router.db_for_write(model) == home and self.is_in_schema)

    @property
    def is_in_schema(self) -> bool:
        """Whether the source's table is the one that this connection finds by its name."""
        try:
            self.refuse_schema()
        except WrongSchema:
            return False
        return True

    def refuse_schema(self) -> None:
        """Raise ``WrongSchema`` where this connection would read another tenant's object."""
        model = self._source_model()
        if model is not None:
            identity.refuse_schema(model, self.source_db or database(), self.source_schema)

    def in_schema(self) -> AbstractContextManager[None]:
        """Read in the source's schema, as far as its connection can; raise ``WrongSchema``."""
        model = self._source_model()
        if model is None:
            return nullcontext()
        return identity.in_schema(model, self.source_db or database(), self.source_schema)

    def _source_model(self) -> type[models.Model] | None:
        if self.source_type_id is None:
            return None
        kind: ContentType = content_types(self._state.db or database()).get_for_id(
            self.source_type_id
        )
        return kind.model_class()
