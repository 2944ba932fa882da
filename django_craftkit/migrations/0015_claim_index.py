from django.db import migrations, models

from ._operations import AddIndexBesideSaves


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("craftkit", "0014_priority_render")]

    operations = [
        AddIndexBesideSaves(
            model_name="job",
            index=models.Index(
                fields=["priority", "due_at", "id", "project", "kind"], name="craftkit_job_claim"
            ),
        ),
    ]
