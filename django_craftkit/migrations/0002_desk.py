from typing import Any

import django.db.models.deletion
import django_craftkit.clock
from django.conf import settings
from django.db import migrations, models


def forget_desk(apps: Any, schema_editor: Any) -> None:
    """Leave nothing to a loop that knows neither e-mails nor engagement.

    A pause is found again by whoever meets its cause. An e-mail that was not sent yet would become
    a link that nobody asked for.
    """
    using = schema_editor.connection.alias
    states = apps.get_model("craftkit", "ProjectState").objects
    states.using(using).exclude(capability="").delete()
    kinds = ("email", "announce email", "engagement", "announce engagement")
    apps.get_model("craftkit", "Job").objects.using(using).filter(kind__in=kinds).delete()
    apps.get_model("craftkit", "Change").objects.using(using).filter(kind="engagement").delete()
    shares = apps.get_model("craftkit", "Share").objects.using(using)
    shares.filter(by_mail=True, status__in=("pending", "unknown")).update(
        status="rejected", error="E-mails were given up before this one was sent."
    )


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("craftkit", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EngagementEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("project", models.CharField(max_length=64, verbose_name="project")),
                ("event_id", models.UUIDField(blank=True, null=True, verbose_name="Craftkit's id")),
                ("share_remote_id", models.UUIDField(blank=True, null=True, verbose_name="link")),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("viewed", "opened"),
                            ("downloaded", "downloaded"),
                            ("printed", "printed"),
                            ("email_opened", "e-mail opened"),
                            ("email_sent", "e-mail sent"),
                            ("share_created", "link made"),
                            ("share_revoked", "link revoked"),
                        ],
                        max_length=32,
                        verbose_name="event",
                    ),
                ),
                (
                    "actor",
                    models.CharField(
                        choices=[
                            ("recipient", "recipient"),
                            ("partner", "this site"),
                            ("system", "Craftkit"),
                        ],
                        max_length=32,
                        verbose_name="by",
                    ),
                ),
                (
                    "ip_address",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="address"),
                ),
                (
                    "user_agent",
                    models.CharField(blank=True, max_length=512, verbose_name="browser"),
                ),
                ("metadata", models.JSONField(blank=True, null=True, verbose_name="further data")),
                (
                    "occurred_at",
                    models.DateTimeField(default=django_craftkit.clock.now, verbose_name="at"),
                ),
            ],
            options={
                "verbose_name": "engagement event",
                "verbose_name_plural": "engagement events",
            },
        ),
        migrations.AlterModelOptions(
            name="change",
            options={
                "permissions": [("replay_change", "Can call a receiver that failed again")],
                "verbose_name": "change",
                "verbose_name_plural": "changes",
            },
        ),
        migrations.AlterModelOptions(
            name="projectstate",
            options={
                "permissions": [
                    ("resume_projectstate", "Can have a paused project tried again now")
                ],
                "verbose_name": "project",
                "verbose_name_plural": "projects",
            },
        ),
        migrations.AlterModelOptions(
            name="render",
            options={
                "permissions": [
                    ("retry_render", "Can retry a document"),
                    ("withdraw_render", "Can withdraw a document"),
                    ("download_render", "Can open the PDF of a document"),
                    ("email_render", "Can have a document mailed"),
                ],
                "verbose_name": "document",
                "verbose_name_plural": "documents",
            },
        ),
        migrations.AlterModelOptions(
            name="share",
            options={
                "permissions": [
                    ("revoke_share", "Can revoke a link"),
                    ("see_share_link", "Can see and open a link"),
                ],
                "verbose_name": "link",
                "verbose_name_plural": "links",
            },
        ),
        migrations.AlterModelOptions(
            name="webhookdelivery",
            options={
                "permissions": [
                    ("replay_webhookdelivery", "Can work a webhook delivery off again")
                ],
                "verbose_name": "webhook delivery",
                "verbose_name_plural": "webhook deliveries",
            },
        ),
        migrations.RemoveIndex(
            model_name="render",
            name="craftkit_render_source",
        ),
        migrations.RemoveIndex(
            model_name="render",
            name="craftkit_render_status",
        ),
        migrations.RemoveIndex(
            model_name="share",
            name="craftkit_share_status",
        ),
        migrations.AddField(
            model_name="projectstate",
            name="capability",
            field=models.CharField(
                blank=True,
                choices=[("", "everything"), ("email", "e-mail")],
                default="",
                max_length=16,
                verbose_name="capability",
            ),
        ),
        migrations.AddField(
            model_name="render",
            name="counts",
            field=models.JSONField(blank=True, default=dict, verbose_name="engagement"),
        ),
        migrations.AddField(
            model_name="render",
            name="withdrawn_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="withdrawn at"),
        ),
        migrations.AddField(
            model_name="render",
            name="withdrawn_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="withdrawn by",
            ),
        ),
        migrations.AddField(
            model_name="share",
            name="by_mail",
            field=models.BooleanField(default=False, verbose_name="mailed by Craftkit"),
        ),
        migrations.AddField(
            model_name="share",
            name="mailed_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="mailed at"),
        ),
        migrations.AddField(
            model_name="share",
            name="recipient_name",
            field=models.CharField(blank=True, max_length=200, verbose_name="recipient's name"),
        ),
        migrations.AlterField(
            model_name="projectstate",
            name="project",
            field=models.CharField(max_length=64, verbose_name="project"),
        ),
        migrations.AlterField(
            model_name="webhookdelivery",
            name="about",
            field=models.UUIDField(
                blank=True, db_index=True, null=True, verbose_name="Craftkit's id of its object"
            ),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(
                fields=["source_id", "source_type", "-requested_at"], name="craftkit_render_about"
            ),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(
                fields=["status", "-requested_at", "-id"], name="craftkit_render_status"
            ),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(fields=["status", "updated_at"], name="craftkit_render_lately"),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(
                fields=["template", "-requested_at", "-id"], name="craftkit_render_template"
            ),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(
                fields=["project", "-requested_at", "-id"], name="craftkit_render_project"
            ),
        ),
        migrations.AddIndex(
            model_name="render",
            index=models.Index(
                fields=["key", "id"],
                name="craftkit_render_begins",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="share",
            index=models.Index(
                fields=["status", "-requested_at", "-id"], name="craftkit_share_status"
            ),
        ),
        migrations.AddIndex(
            model_name="share",
            index=models.Index(fields=["status", "expires_at"], name="craftkit_share_expiry"),
        ),
        migrations.AddIndex(
            model_name="share",
            index=models.Index(
                fields=["channel", "-requested_at", "-id"], name="craftkit_share_channel"
            ),
        ),
        migrations.AddIndex(
            model_name="share",
            index=models.Index(
                fields=["project", "-requested_at", "-id"], name="craftkit_share_project"
            ),
        ),
        migrations.AddIndex(
            model_name="share",
            index=models.Index(
                fields=["recipient_email", "id"],
                name="craftkit_share_recipient",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["event", "-id"], name="craftkit_delivery_event"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["project", "-id"], name="craftkit_delivery_project"),
        ),
        migrations.AddConstraint(
            model_name="projectstate",
            constraint=models.UniqueConstraint(
                fields=("project", "capability"), name="craftkit_project_capability"
            ),
        ),
        migrations.AddField(
            model_name="engagementevent",
            name="render",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="craftkit.render",
                verbose_name="document",
            ),
        ),
        migrations.AddIndex(
            model_name="engagementevent",
            index=models.Index(
                fields=["render", "-occurred_at", "-id"], name="craftkit_event_render"
            ),
        ),
        migrations.AddIndex(
            model_name="engagementevent",
            index=models.Index(fields=["render", "type"], name="craftkit_event_counts"),
        ),
        migrations.AddIndex(
            model_name="engagementevent",
            index=models.Index(
                fields=["share_remote_id", "type", "occurred_at"], name="craftkit_event_share"
            ),
        ),
        migrations.AddIndex(
            model_name="engagementevent",
            index=models.Index(fields=["type", "-id"], name="craftkit_event_type"),
        ),
        migrations.AddIndex(
            model_name="engagementevent",
            index=models.Index(fields=["project", "-id"], name="craftkit_event_project"),
        ),
        migrations.AddConstraint(
            model_name="engagementevent",
            constraint=models.UniqueConstraint(
                fields=("event_id", "project"), name="craftkit_event_known"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_desk),
    ]
