from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index that is built while rows are written

    dependencies = [
        ('jobs', '0011_events_of_runs'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='run',
            index=models.Index(condition=models.Q(('trace_id', ''), _negated=True), fields=['trace_id'], name='job_run_by_trace_id'),
        ),
    ]
