from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0005_state_columns")]

    operations = [
        migrations.AddField(
            model_name="share",
            name="adopted",
            field=models.BooleanField(editable=False, null=True),
        ),
    ]
