"""MACs of subscriptions to triggers (`modules.subscription_mac`). No release before has subscriptions."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("modules", "0001_initial")]

    operations = [migrations.AddField("triggersubscription", "mac", models.BinaryField(editable=False, null=True))]
