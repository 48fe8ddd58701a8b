from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upserts", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="upsert",
            name="made_in",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="the run of a job, if one did it",
                max_length=40,
                verbose_name="prepared in",
            ),
        ),
    ]
