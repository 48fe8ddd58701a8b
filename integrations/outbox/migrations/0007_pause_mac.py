from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0006_words_of_labels")]

    operations = [migrations.AddField("tenantoutbox", "mac", models.BinaryField(editable=False, null=True))]
