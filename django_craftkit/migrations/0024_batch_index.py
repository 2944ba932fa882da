from django.db import migrations, models

from ._operations import AddIndexBesideSaves


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("craftkit", "0023_batch")]

    operations = [
        AddIndexBesideSaves(
            model_name="render",
            index=models.Index(
                fields=["batch", "status", "-requested_at", "-id"], name="craftkit_render_batch"
            ),
        ),
    ]
