from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0003_deaths_and_answers_not_here")]

    operations = [
        migrations.AlterField(
            model_name="mailbox",
            name="deaths",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="workers that died while they handled that event alone"
            ),
        ),
    ]
