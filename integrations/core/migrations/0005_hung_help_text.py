from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0004_leader_leases")]

    operations = [
        migrations.AlterField(
            model_name="workerprocess",
            name="hung",
            field=models.JSONField(db_default=[], default=list, help_text="what its hung threads work on"),
        ),
    ]
