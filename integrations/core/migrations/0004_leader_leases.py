"""One table for the leases of all leader threads, in place of one for the dispatcher alone. Its row is kept."""

from django.db import migrations, models

COPY = """
INSERT INTO core_leaderlease (name, owner, since, until, sent, unstarted, trouble)
SELECT 'dispatcher', owner, since, until, sent, unstarted, trouble FROM core_dispatcherlease ORDER BY until DESC LIMIT 1
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0003_hung_threads")]

    operations = [
        migrations.CreateModel(
            name="LeaderLease",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("owner", models.CharField(max_length=64)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "sent",
                    models.PositiveBigIntegerField(default=0, help_text="messages since this owner began to lead"),
                ),
                ("unstarted", models.PositiveIntegerField(default=0, help_text="messages that no worker has begun")),
                ("trouble", models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.RunSQL(COPY, migrations.RunSQL.noop),
        migrations.DeleteModel(name="DispatcherLease"),
    ]
