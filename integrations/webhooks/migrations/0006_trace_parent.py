"""The span in which an event was received. Processes of the release before leave it empty, by the database's default."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0005_failed_attempts")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="trace_parent",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=55),
        ),
    ]
