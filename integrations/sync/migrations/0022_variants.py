"""Plans of variants: one plan per resource and variant of a tenant.

The unique index is built beside running workers, and takes the place of the one without the variant, which the release
before names in no statement.
"""

import django.db.models.deletion
from django.db import migrations, models

NAME = "one_plan_per_variant"
NONE = models.Value({}, models.JSONField())
COLUMNS = "app_id, location_id, resource, variant"


class Migration(migrations.Migration):
    atomic = False  # the index is built while workers read and write

    dependencies = [
        ("sync", "0021_words_of_labels"),
        ("tenants", "0010_name_of_changes"),
    ]

    operations = [
        migrations.AddField("plan", "variant", models.CharField(blank=True, db_default="", default="", max_length=40)),
        migrations.AddField(
            "resourcechoice",
            "calls_per_day",
            models.PositiveIntegerField(blank=True, null=True, verbose_name="most calls a day"),
        ),
        migrations.RunSQL(
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {NAME} ON sync_plan ({COLUMNS})",
            f"DROP INDEX IF EXISTS {NAME}",
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"ALTER TABLE sync_plan ADD CONSTRAINT {NAME} UNIQUE USING INDEX {NAME}",
                    f"ALTER TABLE sync_plan DROP CONSTRAINT {NAME}",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    "plan",
                    models.UniqueConstraint(fields=["app", "location_id", "resource", "variant"], name=NAME),
                )
            ],
        ),
        migrations.RemoveConstraint("plan", "one_plan_per_resource"),
        migrations.CreateModel(
            name="ChosenVariant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("location_id", models.CharField(blank=True, max_length=64, verbose_name="tenant id")),
                ("resource", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=40)),
                ("enabled", models.BooleanField(db_default=True, default=True)),
                (
                    "every",
                    models.DurationField(
                        blank=True, help_text="the wait between two runs; empty: the resource's", null=True
                    ),
                ),
                ("filters", models.JSONField(db_default=NONE, default=dict)),
                ("mac", models.BinaryField(null=True)),
                (
                    "app",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="chosen_variants", to="tenants.app"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("app", "location_id", "resource", "name"), name="one_choice_per_variant"
                    )
                ],
            },
        ),
    ]
