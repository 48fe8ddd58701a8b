"""What HighLevel answered when it refused a row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upserts", "0006_validate_known_values")]

    operations = [
        migrations.AddField(
            model_name="upsertrow",
            name="vendor_answer",
            field=models.JSONField(
                blank=True, help_text="what HighLevel answered, redacted", null=True, verbose_name="HighLevel's answer"
            ),
        ),
    ]
