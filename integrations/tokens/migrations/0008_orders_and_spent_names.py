
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0007_doubted_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpentName',
            fields=[
                ('name', models.CharField(max_length=80, primary_key=True, serialize=False)),
                ('spent_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='credential',
            name='ordered',
            field=models.CharField(blank=True, choices=[('', 'nothing'), ('refresh', 'refresh, due or not'), ('mint', "mint from the company's token")], db_default='', default='', max_length=8),
        ),
    ]
