from typing import Any

import django.db.models.deletion
import django_craftkit.clock
from django.conf import settings
from django.db import migrations, models

KINDS = ("signature", "send signature", "poll signatures", "archive signature", "archive render")


def forget_signatures(apps: Any, schema_editor: Any) -> None:
    """Leave nothing to a loop that knows no signatures."""
    using = schema_editor.connection.alias
    kinds = [*KINDS, "announce signature"]
    apps.get_model("craftkit", "Job").objects.using(using).filter(kind__in=kinds).delete()
    changes = apps.get_model("craftkit", "Change").objects.using(using)
    changes.filter(kind="signature").delete()
    changes.filter(signal="document_archived").delete()
    states = apps.get_model("craftkit", "ProjectState").objects.using(using)
    states.filter(capability="signatures").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("craftkit", "0002_desk"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SignatureRecipient",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(verbose_name="position")),
                (
                    "remote_id",
                    models.CharField(blank=True, max_length=128, verbose_name="Craftkit's id"),
                ),
                ("first_name", models.CharField(max_length=100, verbose_name="first name")),
                (
                    "last_name",
                    models.CharField(blank=True, max_length=100, verbose_name="last name"),
                ),
                ("email", models.EmailField(max_length=255, verbose_name="e-mail address")),
                (
                    "designation",
                    models.CharField(
                        choices=[
                            ("Signer", "signs"),
                            ("Approver", "approves"),
                            ("CC", "gets a copy"),
                        ],
                        default="Signer",
                        max_length=16,
                        verbose_name="role",
                    ),
                ),
                (
                    "order",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="turn"),
                ),
                (
                    "signed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="signed at"),
                ),
                (
                    "declined_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="declined at"),
                ),
            ],
            options={
                "verbose_name": "recipient",
                "verbose_name_plural": "recipients",
                "ordering": ["request", "position"],
            },
        ),
        migrations.AlterField(
            model_name="projectstate",
            name="capability",
            field=models.CharField(
                blank=True,
                choices=[("", "everything"), ("email", "e-mail"), ("signatures", "signatures")],
                default="",
                max_length=16,
                verbose_name="capability",
            ),
        ),
        migrations.CreateModel(
            name="ArchivedFile",
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
                ("size", models.PositiveBigIntegerField(verbose_name="size")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256")),
                (
                    "archived_at",
                    models.DateTimeField(
                        default=django_craftkit.clock.now, verbose_name="archived at"
                    ),
                ),
            ],
            options={
                "verbose_name": "archived file",
                "verbose_name_plural": "archived files",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "object_id"), name="craftkit_archived_object"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="change",
            name="recipient",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="craftkit.signaturerecipient",
                verbose_name="recipient",
            ),
        ),
        migrations.CreateModel(
            name="SignatureRequest",
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
                (
                    "remote_id",
                    models.UUIDField(
                        blank=True, db_index=True, null=True, verbose_name="Craftkit's id"
                    ),
                ),
                ("answer", models.JSONField(blank=True, default=dict, verbose_name="answer")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "error_code",
                    models.CharField(blank=True, max_length=64, verbose_name="error code"),
                ),
                (
                    "field_errors",
                    models.JSONField(blank=True, default=dict, verbose_name="errors by field"),
                ),
                (
                    "requested_at",
                    models.DateTimeField(
                        default=django_craftkit.clock.now, verbose_name="requested at"
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("key", models.CharField(max_length=255, verbose_name="key")),
                ("key_hash", models.CharField(editable=False, max_length=64)),
                ("asked_hash", models.CharField(editable=False, max_length=64)),
                ("name", models.CharField(blank=True, max_length=255, verbose_name="name")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("sent", "sent"),
                            ("viewed", "opened"),
                            ("completed", "signed"),
                            ("declined", "declined"),
                            ("expired", "expired"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                            ("rejected", "rejected"),
                        ],
                        default="pending",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("fields", models.JSONField(blank=True, default=list, verbose_name="fields")),
                (
                    "anchor_tags",
                    models.JSONField(blank=True, default=list, verbose_name="anchor tags"),
                ),
                (
                    "expiration_hours",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="hours to sign"
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=1, verbose_name="attempt")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent at")),
                ("sending_since", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "accepted_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="accepted at"),
                ),
                (
                    "completed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="completed at"),
                ),
                (
                    "poll_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="next question at"),
                ),
                (
                    "unknown_since",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="unknown at Craftkit since"
                    ),
                ),
                (
                    "cancel_requested_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="cancellation asked for at"
                    ),
                ),
                (
                    "cancel_reason",
                    models.CharField(blank=True, max_length=500, verbose_name="reason"),
                ),
                (
                    "cancel_requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="cancellation asked for by",
                    ),
                ),
                (
                    "render",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signature_requests",
                        to="craftkit.render",
                        verbose_name="document",
                    ),
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
                "verbose_name": "signature request",
                "verbose_name_plural": "signature requests",
                "permissions": [
                    ("cancel_signaturerequest", "Can cancel a signature request"),
                    ("retry_signaturerequest", "Can send a rejected signature request again"),
                    ("download_signaturerequest", "Can open the signed PDF and its certificate"),
                ],
            },
        ),
        migrations.AddField(
            model_name="signaturerecipient",
            name="request",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="recipients",
                to="craftkit.signaturerequest",
                verbose_name="signature request",
            ),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(fields=["-requested_at", "-id"], name="craftkit_sign_newest"),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(
                fields=["status", "-requested_at", "-id"], name="craftkit_sign_status"
            ),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(fields=["status", "updated_at"], name="craftkit_sign_lately"),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(
                fields=["project", "-requested_at", "-id"], name="craftkit_sign_project"
            ),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(
                fields=["project", "-accepted_at", "-id"], name="craftkit_sign_accepted"
            ),
        ),
        migrations.AddIndex(
            model_name="signaturerequest",
            index=models.Index(fields=["project", "poll_at"], name="craftkit_sign_poll"),
        ),
        migrations.AddConstraint(
            model_name="signaturerequest",
            constraint=models.UniqueConstraint(
                fields=("render", "key_hash"), name="craftkit_signature_key"
            ),
        ),
        migrations.AddIndex(
            model_name="signaturerecipient",
            index=models.Index(
                fields=["email", "id"],
                name="craftkit_recipient_email",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ),
        migrations.AddConstraint(
            model_name="signaturerecipient",
            constraint=models.UniqueConstraint(
                fields=("request", "position"), name="craftkit_recipient_position"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_signatures, elidable=False),
    ]
