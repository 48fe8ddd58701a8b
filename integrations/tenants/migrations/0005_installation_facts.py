"""The facts by which installations are decided, and when a location's company and name were last stated.

Rows keep what they have. An installed row counts as confirmed at its `status_at`: it came from a grant or from the
vendor's list.
"""

import django.db.models.deletion
from django.db import migrations, models

FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE tenants_installation
   SET changed_at = status_at, confirmed_at = CASE WHEN status = 'installed' THEN status_at END;
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_help_texts")]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="agencies_asked_to",
            field=models.BigIntegerField(
                default=0, help_text="companies up to this id were asked whether the location is theirs"
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="announced_at",
            field=models.DateTimeField(
                blank=True, help_text="newest INSTALL or UPDATE event, by the vendor's clock", null=True
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="braked_at",
            field=models.DateTimeField(blank=True, help_text="since when many locations are missing", null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="changed_at",
            field=models.DateTimeField(blank=True, help_text="when its status changed, by our clock", null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="confirmed_at",
            field=models.DateTimeField(
                blank=True, help_text="newest grant, token or answer that showed it installed, by our clock", null=True
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="details_at",
            field=models.DateTimeField(blank=True, help_text="vendor's time of `version_id` and `plan_id`", null=True),
        ),
        migrations.AddField(
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
                ],
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="installation",
            name="missing",
            field=models.PositiveIntegerField(default=0, help_text="locations missing from the vendor's list"),
        ),
        migrations.AddField(
            model_name="installation",
            name="released_at",
            field=models.DateTimeField(blank=True, help_text="when an operator let the missing ones go", null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="removed_at",
            field=models.DateTimeField(blank=True, help_text="when an operator removed it here", null=True),
        ),
        migrations.AddField(
            model_name="installation",
            name="revision",
            field=models.PositiveBigIntegerField(default=0, help_text="counts the notices about it"),
        ),
        migrations.AddField(
            model_name="installation",
            name="rival",
            field=models.ForeignKey(
                blank=True,
                help_text="another company whose list has the location too",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="tenants.installation",
            ),
        ),
        migrations.AddField(
            model_name="location",
            name="stated_at",
            field=models.DateTimeField(
                blank=True, help_text="time of the newest event or grant that named its company or its name", null=True
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "uninstalled"), _negated=True),
                    models.Q(("braked_at__isnull", True), ("doubt", "")),
                    _connector="OR",
                ),
                name="uninstalled_is_not_in_doubt",
            ),
        ),
    ]
