from collections.abc import Iterator
from typing import Any

from django.db import migrations

#: Primary keys that one query looks at: it takes milliseconds, and locks no more rows than that.
WINDOW = 1000
#: As earlier versions wrote them.
MADE_ANEW, OTHER_DATA = "Its document is made anew.", "Its document was retried with other data."


def tell_adopted_links(apps: Any, schema_editor: Any) -> None:
    """Tell a link that was adopted from one that somebody gave a key like that."""
    for rows in _windows(apps.get_model("craftkit", "Share"), schema_editor):
        mine = rows.filter(adopted=None, key__startswith="found ")
        told: dict[bool, list[int]] = {}
        for pk, key, remote_id in mine.values_list("pk", "key", "remote_id"):
            told.setdefault(key == f"found {remote_id}", []).append(pk)
        for adopted, pks in told.items():
            rows.filter(pk__in=pks).update(adopted=adopted)


def tell_cancellations(apps: Any, schema_editor: Any) -> None:
    """Tell what ended for its document's sake from what a person ended in the same words."""
    for rows in _windows(apps.get_model("craftkit", "SignatureRequest"), schema_editor):
        mine = rows.filter(
            cancel_code=None, cancel_requested_at__isnull=False, key__startswith="declared "
        )
        anew = mine.filter(cancel_reason=MADE_ANEW)
        # No person ever asked for that.
        anew.filter(cancel_requested_by=None).update(cancel_code="made_anew")
        anew.filter(cancel_requested_by__isnull=False).update(cancel_code="requested")
        mine.filter(cancel_reason=OTHER_DATA).update(cancel_code="other_data")


def _windows(model: Any, schema_editor: Any) -> Iterator[Any]:
    """Yield all rows, so many at a time."""
    rows = model._base_manager.using(schema_editor.connection.alias)
    pks = rows.order_by("pk").values_list("pk", flat=True)
    last = 0
    while (first := pks.filter(pk__gt=last).first()) is not None:
        last = first + WINDOW - 1
        yield rows.filter(pk__gte=first, pk__lte=last)


class Migration(migrations.Migration):
    """Can be run again where it ended half-way.

    What a process of an earlier version writes meanwhile, or after it, says nothing in the new
    columns, and is told by its key and its reason, as before.
    """

    atomic = False

    dependencies = [("craftkit", "0006_state_columns_share")]

    operations = [
        migrations.RunPython(tell_adopted_links, migrations.RunPython.noop),
        migrations.RunPython(tell_cancellations, migrations.RunPython.noop),
    ]
