"""A seal over the rights of each account, which are sealed as they are found."""

import hashlib
import json

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from integrations.core.secret import Secret
from integrations.vault import keys
from integrations.vault.seal import Binding, seal_under


def digest(user, granted):
    """What this release sealed."""
    content = [user.pk, user.username, user.password, user.is_active, user.is_staff, user.is_superuser, granted]
    return Secret(hashlib.sha256(json.dumps(content).encode()).hexdigest())


def binding(user_id):
    return Binding(owner=("operator", str(user_id)), field="rights", generation=0)


def seal(apps, schema_editor):
    User, Permission = apps.get_model("auth", "User"), apps.get_model("auth", "Permission")
    RightsSeal = apps.get_model("operators", "RightsSeal")
    ring = None
    for user in User.objects.all():
        # The ring's proof reads tables that later migrations may not have changed yet.
        ring = ring or keys.unproven()
        rows = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()
        found = rows.values_list("content_type__app_label", "codename")
        granted = sorted(f"{app}.{codename}" for app, codename in found)
        sealed = seal_under(ring, ring.newest, digest(user, granted), binding(user.pk))
        RightsSeal.objects.create(user=user, permissions=granted, sealed=sealed)


class Migration(migrations.Migration):
    dependencies = [
        ("operators", "0002_second_factor"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("vault", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="RightsSeal",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="rights_seal",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        help_text="its own and those of its groups",
                        size=None,
                    ),
                ),
                ("sealed", models.BinaryField()),
            ],
        ),
        migrations.RunPython(seal, migrations.RunPython.noop),
    ]
