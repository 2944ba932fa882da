"""A person in the rows of every model, and where anything of her is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import models

from django_craftkit.client.secret import Secret
from django_craftkit.models import Render
from django_craftkit.models.archive import archive_storage
from django_craftkit.signing import AnchorTag, Recipient
from tests.helpers import archived_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django_craftkit.models import Erasure
    from tests.shop.models import Order

#: What is unlike anything else in the rows of a test.
NAME, ADDRESS, ADDRESS_OF_NET = "Lovelace", "ada.lovelace@example.com", "203.0.113.99"
ADA = Recipient("Ada", NAME, ADDRESS)
BOB = Recipient("Bob", "Boole", "bob@example.com")
TAGS = [AnchorTag("{{sign}}", "signature")]
WORDS = (NAME, NAME.lower(), ADDRESS_OF_NET)


def places(*words: str, among: Iterable[Any] | None = None) -> list[str]:
    """Return the columns, and files, in which one of these words is."""
    return sorted(set(_places(words or WORDS, among)))


def _places(words: tuple[str, ...], among: Iterable[Any] | None) -> Iterator[str]:
    rows = _all_rows() if among is None else among
    for row in rows:
        row.refresh_from_db()
        for field in row._meta.concrete_fields:
            if any(word in _text(getattr(row, field.attname)) for word in words):
                yield f"{type(row).__name__}.{field.name}"
    for name in archived_files():
        with archive_storage().open(name) as file:
            content = file.read()
        if any(word.encode() in content for word in words):
            yield "file"


def _all_rows() -> Iterator[Any]:
    for model in (*apps.get_app_config("craftkit").get_models(), LogEntry):
        yield from model._base_manager.all()


def _text(value: Any) -> str:
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode(errors="replace")
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def may_hold_words(field: models.Field[Any, Any]) -> bool:
    """Whether a column can hold what somebody has said."""
    kinds = (
        models.CharField,
        models.TextField,
        models.JSONField,
        models.BinaryField,
        models.GenericIPAddressField,
        models.FileField,
    )
    return isinstance(field, kinds)


def filled(field: models.Field[Any, Any]) -> Any:
    """Return something of her that such a column takes."""
    if isinstance(field, models.JSONField):
        return {"of": {"name": NAME, "email": ADDRESS}}
    if isinstance(field, models.BinaryField):
        return json.dumps({"email": ADDRESS}).encode()
    if isinstance(field, models.GenericIPAddressField):
        return ADDRESS_OF_NET
    return ADDRESS[: field.max_length]


def request(order: Order | None, key: str = f"invoice for {ADDRESS}", **more: Any) -> Render:
    data = {"name": NAME, "email": ADDRESS}
    return Render.objects.request("invoice", data, source=order, key=key, **more)


def erase(order: Order, **how: Any) -> Erasure:
    return Render.objects.for_object(order).erase(**how)
