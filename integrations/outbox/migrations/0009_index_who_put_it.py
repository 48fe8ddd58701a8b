"""The index by the run or webhook that put an entry, built while rows are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("outbox", "0008_who_put_it")]

    operations = [
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("put_in", ""), _negated=True), fields=["put_in"], name="outbox_entry_by_put_in"
            ),
        ),
    ]
