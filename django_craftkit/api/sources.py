"""What a document is about, as a body names it and an answer shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.db import router
from django.utils.translation import gettext as _
from rest_framework import serializers

from django_craftkit.models.identity import MAX_PK, stored_key
from django_craftkit.permissions import may_see

from .fields import InputSerializer, Named, TextField
from .querysets import owns

if TYPE_CHECKING:
    from django.db.models import Model

    from django_craftkit.models import Render


class ShownSourceSerializer(Named, serializers.Serializer[dict[str, str]]):
    """What a document is about."""

    type = serializers.CharField(help_text="`app.model`")
    id = serializers.CharField()
    database = serializers.CharField(
        help_text="Its alias; empty for the database of the documents."
    )


def shown_source(render: Render) -> dict[str, str] | None:
    if render.source_type is None:
        return None
    kind = ".".join(render.source_type.natural_key())
    return {"type": kind, "id": render.source_id, "database": render.source_db}


class SourceSerializer(InputSerializer):
    """The object that a new document is about."""

    type = TextField(max_length=200, help_text="`app.model`")
    id = TextField(max_length=MAX_PK)

    def to_internal_value(self, data: object) -> Model:
        """Return the object, if it is there for whoever asks: the same error if it is not."""
        given = super().to_internal_value(data)
        source, user = _find(given["type"], given["id"]), self.context["request"].user
        if source is None or not (may_see(user, source) or owns(user, source)):
            raise serializers.ValidationError(_("There is no such object."))
        return source


def _find(kind: str, pk: str) -> Model | None:
    try:
        model = apps.get_model(kind)
        key = stored_key(model, pk)
    except (LookupError, TypeError, ValueError):
        return None
    if model._meta.swapped:
        return None  # it has no table
    # Where it is written, which is what a document knows of it.
    rows = model._base_manager.using(router.db_for_write(model))
    found: Model | None = rows.filter(pk=key).first()
    return found
