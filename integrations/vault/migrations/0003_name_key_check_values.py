"""Names the sealed constants of keys by the standard term, key check values. The table keeps its name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("vault", "0002_seal_audit_trail")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Witness", "KeyCheckValue"),
                migrations.AlterModelTable("keycheckvalue", "vault_witness"),
                migrations.AlterModelOptions("keycheckvalue", {}),
            ]
        )
    ]
