"""Which run or webhook put an entry. The database's default serves processes that do not know the column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0007_pause_mac")]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="put_in",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="the run or webhook whose work put it, if one did",
                max_length=40,
            ),
        ),
    ]
