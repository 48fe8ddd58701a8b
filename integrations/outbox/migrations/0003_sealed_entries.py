"""A seal over each entry of the outbox.

Entries that are here, and those that processes of the release before still put, get theirs afterwards
(`outbox.entry_seal`): sealing needs code, and code changes.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_trace_ids")]

    operations = [migrations.AddField("entry", "sealed", models.BinaryField(null=True))]
