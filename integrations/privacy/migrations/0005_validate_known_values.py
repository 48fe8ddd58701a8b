# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('privacy', '0004_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='purge', name='privacy_purge_user_type_known'),
        ValidateConstraint(model_name='purge', name='privacy_purge_status_known'),
    ]
