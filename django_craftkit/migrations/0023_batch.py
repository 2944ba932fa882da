import django.db.models.deletion
import django_craftkit.clock
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """A column that may be empty, without a constraint: no row is written, and no table copied."""

    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("craftkit", "0022_supersedes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "project",
                    models.CharField(default="default", max_length=64, verbose_name="project"),
                ),
                ("template", models.CharField(max_length=120, verbose_name="template")),
                ("name", models.CharField(blank=True, max_length=255, verbose_name="batch name")),
                (
                    "key_hash",
                    models.CharField(editable=False, max_length=64, null=True, unique=True),
                ),
                (
                    "priority",
                    models.SmallIntegerField(
                        choices=[
                            (0, "a person waits"),
                            (1, "single"),
                            (2, "bulk"),
                            (3, "archive and upkeep"),
                        ],
                        db_default=2,
                        default=2,
                        verbose_name="priority",
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django_craftkit.clock.now, verbose_name="requested at"
                    ),
                ),
                (
                    "filled_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="all requested at"),
                ),
                (
                    "completed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="completed at"),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch",
                "verbose_name_plural": "batches",
            },
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["-requested_at", "-id"], name="craftkit_batch_newest"),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["completed_at"], name="craftkit_batch_open"),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                fields=["name", "id"],
                name="craftkit_batch_begins",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ),
        migrations.AddField(
            model_name="render",
            name="batch",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="renders",
                to="craftkit.batch",
                verbose_name="batch",
            ),
        ),
    ]
