from datetime import timedelta
from typing import Any

from django.db import migrations, models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from django_craftkit import conf

#: Rows that are read and written at a time.
BATCH = 1000


def note_overdue(apps: Any, schema_editor: Any) -> None:
    """Note which documents are overdue already, so that nobody is told of those now.

    Only what is under way is looked at, by its index, and nothing is written to documents.
    """
    using = schema_editor.connection.alias
    changes = apps.get_model("craftkit", "Change")._base_manager.using(using)
    renders = apps.get_model("craftkit", "Render")._base_manager.using(using)
    limit = timezone.now() - timedelta(seconds=conf.options_or_defaults().OVERDUE_AFTER)
    noted = changes.filter(
        kind="render",
        object_id=OuterRef("pk"),
        attempt=OuterRef("attempt"),
        to_status="overdue",
    )
    late = renders.filter(
        ~Exists(noted), status__in=("pending", "queued", "rendering"), attempted_at__lt=limit
    )
    while rows := list(late.values_list("pk", "attempt", "status")[:BATCH]):
        changes.bulk_create(
            changes.model(
                kind="render",
                object_id=pk,
                attempt=attempt,
                from_status=status,
                to_status="overdue",
                cause="here",
            )
            for pk, attempt, status in rows
        )


class Migration(migrations.Migration):
    """Alters the table of projects alone, which is small, and at last: saves wait for nothing."""

    dependencies = [("craftkit", "0010_archive")]

    operations = [
        migrations.RunPython(note_overdue, migrations.RunPython.noop),
        migrations.AddField(
            model_name="projectstate",
            name="catching_up_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
