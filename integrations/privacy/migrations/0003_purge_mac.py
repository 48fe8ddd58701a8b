from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("privacy", "0002_words_of_labels")]

    operations = [migrations.AddField("purge", "mac", models.BinaryField(editable=False, null=True))]
