# Personal fit: consent, opened sources, and the neutral rank beside the final one.

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import F


def ranks_were_neutral(apps, schema_editor):
    apps.get_model("qa", "RankedPassage").objects.update(neutral_rank=F("final_rank"))


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0004_stale_chunks"),
        ("qa", "0005_reranker_measurement"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="answer",
            name="is_personal",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="answer",
            name="shows_neutral_order",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="rankedpassage",
            name="fit_inputs",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="rankedpassage",
            name="fit_reasons",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=120), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="rankedpassage",
            name="neutral_rank",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.RunPython(ranks_were_neutral, migrations.RunPython.noop),
        # A rewrite of the table would wait for the trigger events of the update before it.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="rankedpassage",
            name="neutral_rank",
            field=models.PositiveIntegerField(),
        ),
        migrations.CreateModel(
            name="FitConsent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("given_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("learns_since", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fit_consent",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "consent to personal order",
                "verbose_name_plural": "consents to personal order",
            },
        ),
        migrations.CreateModel(
            name="SourceOpened",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("plain", models.FloatField(null=True)),
                ("recent", models.FloatField(null=True)),
                ("short", models.FloatField(null=True)),
                ("opened_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "consent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opened",
                        to="qa.fitconsent",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.document",
                    ),
                ),
                (
                    "passage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="qa.rankedpassage",
                    ),
                ),
            ],
            options={
                "verbose_name": "opened source",
                "verbose_name_plural": "opened sources",
                "indexes": [models.Index(fields=["opened_at"], name="source_opened_at")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("consent", "passage"), name="source_opened_once"
                    )
                ],
            },
        ),
    ]
