from django.db import migrations, models


class Migration(migrations.Migration):
    """A table for each migration: no save waits for one while it holds another."""

    dependencies = [("craftkit", "0004_source_identity")]

    operations = [
        migrations.AddField(
            model_name="signaturerequest",
            name="cancel_code",
            field=models.CharField(editable=False, max_length=16, null=True),
        ),
        migrations.AddField(
            model_name="signaturerequest",
            name="declared",
            field=models.BooleanField(editable=False, null=True),
        ),
    ]
