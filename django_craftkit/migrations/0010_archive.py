from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("craftkit", "0009_declarations")]

    operations = [
        migrations.CreateModel(
            name="ArchiveWrite",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("render", "document"),
                            ("signed", "signed PDF"),
                            ("certificate", "certificate"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                ("object_id", models.BigIntegerField(verbose_name="object")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["kind", "object_id"], name="craftkit_archive_write")
                ],
            },
        ),
    ]
