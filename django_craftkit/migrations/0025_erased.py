from django.db import migrations, models

ERASED_AT = models.DateTimeField(blank=True, null=True, verbose_name="erased at")


class Migration(migrations.Migration):
    # Each table by itself: no save waits for one while another is held.
    atomic = False

    dependencies = [("craftkit", "0024_batch_index")]

    operations = [
        migrations.AddField(model_name="render", name="erased_at", field=ERASED_AT),
        migrations.AddField(model_name="share", name="erased_at", field=ERASED_AT.clone()),
        migrations.AddField(
            model_name="signaturerequest", name="erased_at", field=ERASED_AT.clone()
        ),
    ]
