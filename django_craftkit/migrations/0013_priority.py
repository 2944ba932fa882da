from django.db import migrations, models

from ._operations import AddConstantColumn


class Migration(migrations.Migration):
    """A column with a default of the database's: no row is written.

    What is known already is "single", as what earlier versions write while they still run.
    """

    dependencies = [("craftkit", "0012_worker_seen_at")]

    operations = [
        AddConstantColumn(
            model_name="job",
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
