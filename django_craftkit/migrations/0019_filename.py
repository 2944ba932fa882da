from django.db import migrations, models

from ._operations import AddConstantColumn


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0018_check_anchors")]

    operations = [
        AddConstantColumn(
            model_name="render",
            name="filename",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=255, verbose_name="file name"
            ),
        ),
    ]
