from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes that are built while rows are written

    dependencies = [("upserts", "0002_run_of_a_job")]

    operations = [
        AddIndexConcurrently(
            model_name="upsert",
            index=models.Index(fields=["tenant_id", "-id"], name="upsert_of_tenant"),
        ),
        AddIndexConcurrently(
            model_name="upsert",
            index=models.Index(condition=models.Q(("made_in", ""), _negated=True), fields=["made_in"], name="upsert_by_run"),
        ),
        AddIndexConcurrently(
            model_name="upsertrow",
            index=models.Index(
                condition=models.Q(("record_id", ""), _negated=True), fields=["record_id"], name="upsert_row_by_record"
            ),
        ),
    ]
