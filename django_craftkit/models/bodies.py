"""Bodies of webhooks that name what was erased: they are read, and dropped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django_craftkit import bulk

from .delivery import WebhookDelivery
from .erased import LEFT

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection

    from django.db.models import QuerySet

Status = WebhookDelivery.Status

#: Webhooks whose bodies are in memory at a time.
AT_ONCE = 100
#: Webhooks that are a worker's: it has them locked first, and leaves nothing of what was erased.
TO_BE_APPLIED = (Status.RECEIVED, Status.FAILED)
#: Webhooks that are linked to nothing, and that nobody applies any more, or may ever be able to.
UNUSED = (Status.IGNORED, Status.ABANDONED, Status.FAILED)
#: Events of attempts of documents.
OF_DOCUMENTS = ("render.succeeded", "render.failed")

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def drop_bodies(
    deliveries: QuerySet[Any],
    ids: Collection[uuid.UUID],
    addresses: Collection[str] = (),
    *,
    dry_run: bool = False,
) -> int:
    """Drop the bodies of webhooks that name one of these ids, or an address; return how many.

    Bodies are no text that a database could look into: they are read, some at a time.
    """
    if not (addresses or ids):
        return 0
    number = 0
    known = {str(one).encode() for one in ids}
    letters = [address.lower().encode() for address in addresses]
    for part in bulk.in_batches(deliveries.exclude(body=b"").only("body"), AT_ONCE):
        found = [one.pk for one in part if _names(bytes(one.body).lower(), known, letters)]
        number += len(found)
        if found and not dry_run:
            left = WebhookDelivery.objects.writer().filter(pk__in=found)
            left.update(**LEFT["WebhookDelivery"])
    return number


def _names(body: bytes, ids: Collection[bytes], addresses: Collection[bytes]) -> bool:
    is_about = any(one in ids for one in _UUID.findall(body))
    return is_about or any(address in body for address in addresses)
