# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('upserts', '0005_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='run', name='upserts_run_status_known'),
        ValidateConstraint(model_name='upsert', name='upserts_upsert_level_known'),
        ValidateConstraint(model_name='upsert', name='upserts_upsert_phase_known'),
        ValidateConstraint(model_name='upsertrow', name='upserts_upsertrow_state_known'),
    ]
