"""What HighLevel answered to the call of a handler that failed, with its trace id."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0010_validate_known_values")]

    operations = [
        migrations.AddField(
            model_name="failedattempt",
            name="trace_id",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="failedattempt",
            name="vendor_answer",
            field=models.JSONField(
                blank=True, help_text="what HighLevel answered, redacted", null=True, verbose_name="HighLevel's answer"
            ),
        ),
    ]
