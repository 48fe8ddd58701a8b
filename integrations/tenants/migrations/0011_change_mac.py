"""The MAC of a change of an installation (`tenants.change_mac`). Processes of the release before leave it empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0010_name_of_changes")]

    operations = [migrations.AddField("installationchange", "mac", models.BinaryField(editable=False, null=True))]
