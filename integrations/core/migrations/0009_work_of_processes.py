from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0008_mark_of_bulk_actions"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="workerprocess",
            options={"verbose_name": "worker process", "verbose_name_plural": "worker processes"},
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="memory",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="resident bytes; 0: not known"),
        ),
        migrations.AddField(
            model_name="workerprocess",
            name="work",
            field=models.JSONField(db_default=[], default=list, help_text="what its threads work on"),
        ),
    ]
