# Apart from the migration that adds the constraints: a validation lets workers read and write meanwhile.
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0014_known_values'),
    ]

    operations = [
        ValidateConstraint(model_name='app', name='tenants_app_dialect_known'),
        ValidateConstraint(model_name='installation', name='tenants_installation_user_type_known'),
        ValidateConstraint(model_name='installation', name='tenants_installation_status_known'),
        ValidateConstraint(model_name='installation', name='tenants_installation_kind_known'),
        ValidateConstraint(model_name='installation', name='tenants_installation_origin_known'),
        ValidateConstraint(model_name='installation', name='tenants_installation_doubt_known'),
        ValidateConstraint(model_name='installationchange', name='tenants_installationchange_what_known'),
        ValidateConstraint(model_name='tenantnote', name='tenants_tenantnote_level_known'),
    ]
