# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0010_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='credential', name='tokens_credential_user_type_known'),
        ValidateConstraint(model_name='credential', name='tokens_credential_api_known'),
        ValidateConstraint(model_name='credential', name='tokens_credential_kind_known'),
        ValidateConstraint(model_name='credential', name='tokens_credential_state_known'),
        ValidateConstraint(model_name='credential', name='tokens_credential_ordered_known'),
    ]
