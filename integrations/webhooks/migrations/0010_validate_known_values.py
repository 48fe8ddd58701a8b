# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('webhooks', '0009_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='event', name='webhooks_event_status_known'),
    ]
