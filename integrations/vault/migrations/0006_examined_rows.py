"""What the last look at all signed rows found (`vault.signed_tables`)."""

from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [("vault", "0005_transition_again")]

    operations = [
        migrations.AddField("rowmackey", "examined_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "rowmackey", "misfits", models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
        ),
    ]
