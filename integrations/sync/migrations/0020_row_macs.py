from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("sync", "0019_adaptive_intervals"),
    ]

    operations = [
        migrations.AddField("adaptivechoice", "mac", models.BinaryField(null=True)),
        migrations.AddField("plan", "due_mac", models.BinaryField(null=True)),
        migrations.AddField("plan", "mac", models.BinaryField(null=True)),
        migrations.AddField("resourcechoice", "mac", models.BinaryField(null=True)),
        migrations.AddField("run", "mac", models.BinaryField(null=True)),
    ]
