from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from ._operations import AddKeyBesideSaves


def forget_jobs(apps: Any, schema_editor: Any) -> None:
    """Leave nothing to a loop that does not know of it."""
    jobs = apps.get_model("craftkit", "Job").objects.using(schema_editor.connection.alias)
    jobs.filter(kind="supersede").delete()


class Migration(migrations.Migration):
    """The index first: a try that was interrupted can be repeated."""

    atomic = False

    dependencies = [("craftkit", "0021_template")]

    operations = [
        AddKeyBesideSaves(
            model_name="render",
            name="supersedes",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="successors",
                to="craftkit.render",
                verbose_name="supersedes",
            ),
        ),
        migrations.AddField(
            model_name="render",
            name="superseded_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="superseded at"),
        ),
        migrations.AlterModelOptions(
            name="render",
            options={
                "permissions": [
                    ("retry_render", "Can retry a document"),
                    ("withdraw_render", "Can withdraw a document"),
                    ("supersede_render", "Can have a document superseded by another"),
                    ("download_render", "Can open the PDF of a document"),
                    ("email_render", "Can have a document mailed"),
                ],
                "verbose_name": "document",
                "verbose_name_plural": "documents",
            },
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_jobs),
    ]
