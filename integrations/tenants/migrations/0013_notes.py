"""Notes that operators write about tenants."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0012_words_of_labels")]

    operations = [
        migrations.CreateModel(
            name="TenantNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "level",
                    models.CharField(
                        choices=[("Company", "Company"), ("Location", "Location")],
                        max_length=8,
                        verbose_name="company or location",
                    ),
                ),
                (
                    "tenant_id",
                    models.CharField(
                        help_text="the location's or company's id", max_length=64, verbose_name="tenant"
                    ),
                ),
                ("text", models.CharField(max_length=2000, verbose_name="note")),
                ("made_by", models.CharField(max_length=160, verbose_name="written by")),
                ("created_at", models.DateTimeField(verbose_name="written")),
            ],
            options={
                "verbose_name": "note on a tenant",
                "verbose_name_plural": "notes on tenants",
                "indexes": [models.Index(fields=["tenant_id", "-id"], name="note_of_tenant")],
            },
        ),
    ]
