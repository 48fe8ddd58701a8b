"""The index of done entries that still have their call, built while rows are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("outbox", "0013_calls_for_replays")]

    operations = [
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("sealed__isnull", False), ("state", "done")),
                fields=["settled_at"],
                name="outbox_entry_call_kept",
            ),
        ),
    ]
