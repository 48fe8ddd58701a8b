"""The MAC of an event (`webhooks.event_mac`). Processes of the release before leave it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0006_trace_parent")]

    operations = [migrations.AddField("event", "mac", models.BinaryField(editable=False, null=True))]
