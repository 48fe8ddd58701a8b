"""The lease of the thread that sends parked tasks moves to the table of all such leases. Its row is kept."""

from django.db import migrations

COPY = """
INSERT INTO core_leaderlease (name, owner, since, until, sent, unstarted, trouble)
SELECT 'parked tasks', owner, since, until, handed, unstarted, trouble FROM quota_pump ORDER BY until DESC LIMIT 1
"""


class Migration(migrations.Migration):
    dependencies = [("quota", "0003_help_texts"), ("core", "0004_leader_leases")]

    operations = [
        migrations.RunSQL(COPY, migrations.RunSQL.noop),
        migrations.DeleteModel(name="Pump"),
    ]
