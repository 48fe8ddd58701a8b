"""Outboxes and purges have MACs: their rows of the release before are taken as they are for a day, as in 0005."""

from importlib import import_module

from django.db import migrations

begin_again = import_module("integrations.vault.migrations.0005_transition_again").begin_again


class Migration(migrations.Migration):
    dependencies = [("vault", "0006_examined_rows")]

    operations = [migrations.RunPython(begin_again, migrations.RunPython.noop)]
