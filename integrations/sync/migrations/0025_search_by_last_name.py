"""The index of contacts by last name, built while rows are written.

When the build is interrupted, the index stays invalid: drop it and migrate again.
"""

from django.db import migrations

from integrations.sync.resources.searchable import LAST_NAME


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("sync", "0024_validate_known_values")]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {LAST_NAME}",
            "DROP INDEX CONCURRENTLY IF EXISTS record_by_last_name",
        ),
    ]
