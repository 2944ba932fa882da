from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0007_state_columns_fill")]

    operations = [
        migrations.AddField(
            model_name="render",
            name="sending_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
