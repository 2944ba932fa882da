"""What columns hold that may be empty.

Type checkers without Django's plugin don't read it from ``null=True``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from django.db import models

    NullableMoment: TypeAlias = models.DateTimeField[datetime | None, datetime | None]
    NullableUUID: TypeAlias = models.UUIDField[uuid.UUID | None, uuid.UUID | None]
    NullableNumber: TypeAlias = models.PositiveSmallIntegerField[int | None, int | None]
