"""The index of attempts by trace id, built while rows are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks", "0011_answers_of_refusals")]

    operations = [
        AddIndexConcurrently(
            model_name="failedattempt",
            index=models.Index(
                condition=models.Q(("trace_id", ""), _negated=True),
                fields=["trace_id"],
                name="failed_attempt_by_trace_id",
            ),
        ),
    ]
