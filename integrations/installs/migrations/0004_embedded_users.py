"""Who opened a page inside HighLevel, for the page of their tenant."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("installs", "0003_used_payloads"), ("tenants", "0012_words_of_labels")]

    operations = [
        migrations.CreateModel(
            name="EmbeddedVisit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("level", models.CharField(choices=[("Company", "Company"), ("Location", "Location")], max_length=8)),
                ("tenant_id", models.CharField(help_text="the location's or company's id", max_length=64)),
                ("user_id", models.CharField(help_text="HighLevel's id of the user", max_length=64)),
                ("is_admin", models.BooleanField(default=False)),
                (
                    "is_agency",
                    models.BooleanField(default=False, help_text="of the agency, and not of the location alone"),
                ),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "app",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.app"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["tenant_id", "-last_at"], name="embedded_users_of_tenant")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("app", "level", "tenant_id", "user_id"), name="each_embedded_user_once"
                    )
                ],
            },
        ),
    ]
