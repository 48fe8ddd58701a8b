"""The MAC of a job's state: whether it is paused (`jobs.macs`). Processes of the release before leave it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_row_macs")]

    operations = [migrations.AddField("jobstate", "mac", models.BinaryField(editable=False, null=True))]
