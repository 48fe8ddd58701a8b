from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("status__in", ["running", "failed", "cancelled"])),
                fields=["status", "finished_at"],
                name="run_not_complete",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["error_code", "id"], name="run_by_error"),
        ),
    ]
