from django.db import migrations, models

from ._operations import AddConstantColumn


class Migration(migrations.Migration):
    """A table for each migration: no save waits for one while it holds another."""

    dependencies = [("craftkit", "0013_priority")]

    operations = [
        AddConstantColumn(
            model_name="render",
            name="priority",
            field=models.SmallIntegerField(
                choices=[
                    (0, "a person waits"),
                    (1, "single"),
                    (2, "bulk"),
                    (3, "archive and upkeep"),
                ],
                db_default=1,
                default=1,
                verbose_name="priority",
            ),
        ),
    ]
