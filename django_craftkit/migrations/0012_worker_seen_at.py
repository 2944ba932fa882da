from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0011_overdue")]

    operations = [
        migrations.AddField(
            model_name="projectstate",
            name="worker_seen_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="worker last seen"),
        ),
    ]
