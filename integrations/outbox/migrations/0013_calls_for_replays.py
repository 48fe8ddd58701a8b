"""Done entries keep their call for a while: help texts alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0012_answers_of_refusals")]

    operations = [
        migrations.AlterField(
            model_name="entry",
            name="params",
            field=models.JSONField(default=dict, help_text="emptied OUTBOX_REPLAY_DAYS after it is done"),
        ),
    ]
