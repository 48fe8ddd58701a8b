from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built while rows are written

    dependencies = [
        ("gateway", "0003_run_and_request_of_calls"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(condition=models.Q(("run", ""), _negated=True), fields=["run"], name="call_by_run"),
        ),
    ]
