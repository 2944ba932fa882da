"""What is asked for in a request for a document."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import router
from django.utils.translation import gettext as _
from rest_framework import serializers

from django_craftkit import conf, credentials
from django_craftkit.models.arguments import MAX_VERSION, check_filename, check_template
from django_craftkit.models.identity import MAX_PK, stored_key
from django_craftkit.permissions import may_see, owns

from .fields import DataField, InputSerializer, TextField, checked

if TYPE_CHECKING:
    from django.db.models import Model


class SourceSerializer(InputSerializer):
    """The object that a new document is about."""

    type = TextField(max_length=200, help_text="`app.model`")
    id = TextField(max_length=MAX_PK)

    def to_internal_value(self, data: object) -> Model:
        """Return the object, if the user may know of it; else raise the same as for none."""
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


class RenderInputSerializer(InputSerializer):
    """A document to request."""

    template = TextField(validators=[partial(checked, check_template)])
    data = DataField(  # type: ignore[assignment]
        help_text="What the template's manifest asks for."
    )
    source = SourceSerializer(  # type: ignore[assignment]
        required=False, allow_null=True, default=None
    )
    version = serializers.IntegerField(
        min_value=1, max_value=MAX_VERSION, required=False, allow_null=True, default=None
    )
    filename = TextField(
        allow_blank=True,
        default="",
        help_text="What the PDF is called, up to 255 characters; `/`, `\\` and control characters "
        "become `-`.",
    )
    project = TextField(max_length=64, default=conf.DEFAULT_PROJECT)

    def validate_filename(self, filename: str) -> str:
        return checked(check_filename, filename)

    def validate_project(self, alias: str) -> str:
        if not credentials.has_project(alias):
            raise serializers.ValidationError(_("There is no such project."))
        return alias


class SupersedeInputSerializer(InputSerializer):
    """A document that takes the place of another: about the same object, in the same project."""

    data = DataField(  # type: ignore[assignment]
        help_text="All of the new document's: what the template's manifest asks for."
    )
    template = TextField(
        validators=[partial(checked, check_template)],
        required=False,
        allow_null=True,
        default=None,
        help_text="`null`: that of the document.",
    )
    version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
        required=False,
        allow_null=True,
        default=None,
        help_text="`null`: as the document has it.",
    )
