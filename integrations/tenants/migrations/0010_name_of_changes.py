"""The name of the history's rows on pages: "5 changes of installations"."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_reading_and_sync")]

    operations = [
        migrations.AlterModelOptions(
            name="installationchange",
            options={
                "verbose_name": "change of an installation",
                "verbose_name_plural": "changes of installations",
            },
        ),
    ]
