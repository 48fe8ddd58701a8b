# The index is built while workers write. When its build is interrupted it stays invalid: drop it and migrate again.

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("gateway", "0004_calls_by_run"),
        ("tenants", "0010_name_of_changes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="usage",
            index=models.Index(fields=["resource_id", "at"], name="usage_of_tenant"),
        ),
        migrations.CreateModel(
            name="UsageTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "span",
                    models.PositiveSmallIntegerField(choices=[(1800, "half an hour"), (10800, "three hours")]),
                ),
                ("at", models.DateTimeField(help_text="when the span begins")),
                ("operation", models.CharField(max_length=120)),
                ("job", models.CharField(blank=True, max_length=80)),
                ("lane", models.CharField(max_length=12)),
                ("code", models.CharField(blank=True, max_length=40)),
                ("calls", models.BigIntegerField()),
                ("spent", models.BigIntegerField()),
                ("slowest_ms", models.IntegerField()),
                (
                    "buckets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), help_text="gateway.histogram", size=16
                    ),
                ),
                (
                    "app",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenants.app",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("span", "at", "app", "operation", "job", "lane", "code"), name="one_usage_total"
                    )
                ],
            },
        ),
    ]
