"""Help texts of credentials. No column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens", "0004_credential_states")]

    operations = [
        migrations.AlterField(
            model_name="credential",
            name="company_id",
            field=models.CharField(
                blank=True, help_text="companyId of the company that can mint this token", max_length=64
            ),
        ),
        migrations.AlterField(
            model_name="credential",
            name="granted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="when an installation or an operator last brought a token; refreshes have only renewed it since",
                null=True,
            ),
        ),
    ]
