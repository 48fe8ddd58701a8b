"""Help texts of parked tasks. No column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("quota", "0002_parked_line")]

    operations = [
        migrations.AlterField(
            model_name="parked",
            name="due_at",
            field=models.DateTimeField(help_text="no worker gets it before"),
        ),
        migrations.AlterField(
            model_name="parked",
            name="place_at",
            field=models.DateTimeField(help_text="position among the waiting tasks, the earliest first"),
        ),
        migrations.AlterField(
            model_name="parked",
            name="reason",
            field=models.CharField(
                blank=True,
                help_text="what was missing: quota (burst or day), or the quota store (store)",
                max_length=8,
            ),
        ),
    ]
