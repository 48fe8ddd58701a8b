# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0007_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='usage', name='gateway_usage_span_known'),
        ValidateConstraint(model_name='usagetotal', name='gateway_usagetotal_span_known'),
    ]
