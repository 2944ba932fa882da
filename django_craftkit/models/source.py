"""What a row is about: an object of the project's own, of any model, in any database."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models, router
from django.utils.translation import gettext_lazy as _

from django_craftkit.database import database

MAX_PK = 255


class SourceKey(GenericForeignKey):
    """A generic foreign key whose object may live in another database than the row."""

    def contribute_to_class(  # type: ignore[override]
        self, cls: Any, name: str, **kwargs: Any
    ) -> None:
        super().contribute_to_class(cls, name, **kwargs)
        # Django's descriptor: the key itself, and from 6.1 on an object of its own.
        setattr(cls, name, SourceDescriptor(self, cls.__dict__[name]))


class SourceDescriptor:
    """Reads the source from its own database, and leaves the rest to Django's descriptor."""

    def __init__(self, key: SourceKey, descriptor: Any) -> None:
        self._key = key
        self._descriptor = descriptor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._descriptor, name)

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        if not instance.source_db:
            return self._descriptor.__get__(instance, cls)
        # Django would compare the content types of two databases, whose ids differ.
        if not self._key.is_cached(instance):
            self._key.set_cached_value(instance, instance.read_source())
        return self._key.get_cached_value(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        self._descriptor.__set__(instance, value)


def about(source: models.Model) -> tuple[int, str]:
    """Return what a source is known by here."""
    kind = ContentType.objects.db_manager(database()).get_for_model(source)
    return kind.pk, str(source.pk)


class Sourced(models.Model):
    """A row that is about an object."""

    source_type = models.ForeignKey(
        ContentType, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    source_id = models.CharField(_("source"), max_length=MAX_PK, blank=True)
    #: The database the source was saved to, where it isn't this row's own.
    source_db = models.CharField(max_length=64, blank=True, editable=False)
    source = SourceKey("source_type", "source_id")

    class Meta:
        abstract = True

    def set_source(self, source: models.Model) -> None:
        """Say what the document is about; the object must have been saved."""
        if source.pk is None:
            raise ValueError(f"{source!r} has no primary key yet: save it before asking.")
        if isinstance(source.pk, tuple):
            raise TypeError(f"{source!r} has a composite key, which no generic key can hold.")
        if len(str(source.pk)) > MAX_PK:
            raise ValueError(f"{source!r} has a primary key of over {MAX_PK} characters.")
        self.source_type_id, self.source_id = about(source)
        # Where it is written, not the replica it may have been read from.
        home = router.db_for_write(type(source), instance=source)
        self.source_db = "" if home == database() else home

    def read_source(self, proxy: Any = None) -> models.Model | None:
        """Return the source as its database has it now, or ``None`` where it is gone.

        ``proxy`` is the proxy model to read it as.
        """
        model = self.source_type.model_class() if self.source_type else None
        if model is None:
            return None
        if isinstance(proxy, type) and issubclass(proxy, model) and proxy._meta.proxy:
            model = proxy
        manager = model._base_manager.using(self.source_db or database())
        return manager.filter(pk=self.source_id).first()
