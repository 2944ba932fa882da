from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0026_forms")]

    operations = [
        migrations.AddField(
            model_name="render",
            name="adopted_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="made elsewhere, known since"
            ),
        ),
    ]
