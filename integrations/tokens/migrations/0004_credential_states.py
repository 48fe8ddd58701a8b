"""Check constraints for states of a credential that exclude each other. Rows that break one are repaired first."""

from django.db import migrations, models

# A lease without a deadline is nobody's; half an intent says nothing; an uninstalled app keeps no token.
MEND = """
    UPDATE tokens_credential SET lease_owner = '' WHERE lease_owner <> '' AND lease_until IS NULL;
    UPDATE tokens_credential SET intent_generation = NULL, intent_at = NULL
        WHERE (intent_generation IS NULL) <> (intent_at IS NULL);
    UPDATE tokens_credential SET access_sealed = NULL, refresh_sealed = NULL
        WHERE state = 'revoked' AND (access_sealed IS NOT NULL OR refresh_sealed IS NOT NULL);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0003_granted_at'),
    ]

    operations = [
        migrations.RunSQL(MEND, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(('lease_owner', ''), ('lease_until__isnull', False), _connector='OR'), name='credential_lease_owner_has_deadline'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('intent_at__isnull', True), ('intent_generation__isnull', True)), models.Q(('intent_at__isnull', False), ('intent_generation__isnull', False)), _connector='OR'), name='credential_intent_is_whole'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'revoked'), _negated=True), models.Q(('access_sealed__isnull', True), ('refresh_sealed__isnull', True)), _connector='OR'), name='credential_revoked_has_no_token'),
        ),
    ]
