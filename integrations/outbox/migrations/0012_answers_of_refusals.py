"""What HighLevel answered when it refused an entry."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0011_validate_known_values")]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="vendor_answer",
            field=models.JSONField(
                blank=True, help_text="what HighLevel answered, redacted", null=True, verbose_name="HighLevel's answer"
            ),
        ),
    ]
