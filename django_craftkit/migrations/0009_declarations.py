from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0008_sending")]

    operations = [
        migrations.AddField(
            model_name="render",
            name="unconfirmed_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
