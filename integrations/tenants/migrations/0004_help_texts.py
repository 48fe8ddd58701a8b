"""Help texts of two fields. No column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_installation_states")]

    operations = [
        migrations.AlterField(
            model_name="app",
            name="halted_at",
            field=models.DateTimeField(
                blank=True, help_text="when the vendor last refused our client id or secret", null=True
            ),
        ),
        migrations.AlterField(
            model_name="installation",
            name="claimed_at",
            field=models.DateTimeField(blank=True, help_text="empty while unclaimed: only operators see it", null=True),
        ),
    ]
