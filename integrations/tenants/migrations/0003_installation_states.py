"""Constraints of installations: a claim has a time and a claimant, and an uninstalled row is neither claimed nor due.

Existing rows are repaired first. The lock keeps other processes from writing a row between the repair and the
constraints; it ends with the transaction, after milliseconds.
"""

from django.db import migrations, models

REPAIR = """
SET CONSTRAINTS ALL IMMEDIATE;
LOCK TABLE tenants_installation IN SHARE ROW EXCLUSIVE MODE;
UPDATE tenants_installation SET claimed_at = NULL, claimed_by = '', reconcile_due_at = NULL
 WHERE status = 'uninstalled' AND (claimed_at IS NOT NULL OR claimed_by <> '' OR reconcile_due_at IS NOT NULL);
UPDATE tenants_installation SET claimed_by = '' WHERE claimed_at IS NULL AND claimed_by <> '';
UPDATE tenants_installation SET claimed_by = 'unknown' WHERE claimed_at IS NOT NULL AND claimed_by = '';
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_lost_client_secret")]

    operations = [
        migrations.AlterField(
            model_name="installation",
            name="installer_id",
            field=models.CharField(blank=True, help_text="userId of the user who installed it", max_length=64),
        ),
        migrations.AlterField(
            model_name="installation",
            name="status_at",
            field=models.DateTimeField(help_text="when the vendor last installed or uninstalled it"),
        ),
        migrations.RunSQL(REPAIR, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(claimed_at__isnull=True, claimed_by="")
                | (models.Q(claimed_at__isnull=False) & ~models.Q(claimed_by="")),
                name="installation_claim_is_complete",
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=~models.Q(status="uninstalled")
                | models.Q(claimed_at__isnull=True, reconcile_due_at__isnull=True),
                name="uninstalled_is_unclaimed_and_not_due",
            ),
        ),
    ]
