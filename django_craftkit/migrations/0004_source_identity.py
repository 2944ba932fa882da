from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0003_signatures")]

    operations = [
        # With NULL and no default: every database adds it at once, and SQLite copies no table.
        migrations.AddField(
            model_name="render",
            name="source_schema",
            field=models.CharField(blank=True, editable=False, max_length=63, null=True),
        ),
    ]
