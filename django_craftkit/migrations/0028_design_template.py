from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0027_adopted")]

    operations = [
        migrations.AlterModelOptions(
            name="template",
            options={
                "permissions": [
                    ("refresh_template", "Can have templates read anew"),
                    ("design_template", "Can design and publish templates in the builder"),
                ],
                "verbose_name": "template",
                "verbose_name_plural": "templates",
            },
        ),
    ]
