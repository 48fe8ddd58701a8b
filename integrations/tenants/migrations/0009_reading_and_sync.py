"""How far the reading of a company's list has come, when a location was last listed, and when its sync is to follow."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_installation_kind")]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="reading",
            field=models.JSONField(
                blank=True,
                help_text="how far the reading of the company's list has come, while it is under way",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="listed_at",
            field=models.DateTimeField(
                blank=True,
                help_text="begin of the newest reading of its company's list that has the location",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="sync_due_at",
            field=models.DateTimeField(
                blank=True, help_text="when its sync plans are to be made or deleted", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(
                condition=models.Q(("sync_due_at__isnull", False)),
                fields=["sync_due_at"],
                name="installation_sync_due",
            ),
        ),
        migrations.AlterField(
            model_name="installation",
            name="doubt",
            field=models.CharField(
                blank=True,
                choices=[
                    ("event", "an UNINSTALL event whose order is unclear"),
                    ("unlisted", "missing from its company's list"),
                    ("vanished", "missing from its company's list with many others"),
                    ("revoked", "its company's grant was revoked"),
                    ("moved", "it belongs to another company now"),
                    ("rival", "another company's list has it, too"),
                ],
                max_length=12,
            ),
        ),
    ]
