from django.db import migrations, models


class Migration(migrations.Migration):
    """A table for each migration: no save waits for one while it holds another."""

    dependencies = [("craftkit", "0019_filename")]

    operations = [
        migrations.AddField(
            model_name="share",
            name="declared",
            field=models.BooleanField(editable=False, null=True),
        ),
    ]
