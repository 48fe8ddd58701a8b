from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0007_bulk_actions")]

    operations = [
        migrations.AddField(
            model_name="bulkaction",
            name="mark",
            field=models.CharField(
                default="",
                editable=False,
                help_text="signature over the above: an operator asked",
                max_length=160,
            ),
            preserve_default=False,
        ),
    ]
