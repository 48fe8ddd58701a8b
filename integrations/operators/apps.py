"""Django app of operators: keeps the groups of the roles current after each migration, and registers sealed columns."""

from __future__ import annotations

from django.apps import AppConfig


class OperatorsConfig(AppConfig):
    """App config of the room `operators`. It is the last app, so that the permissions of all others exist."""

    name = "integrations.operators"
    label = "operators"
    verbose_name = "Operators"

    def ready(self) -> None:
        """Have the roles written after each `migrate`, which is when Django writes the permissions; register the seals
        of accounts with the vault.
        """
        from django.db.models.signals import post_migrate  # noqa: PLC0415, TID251 - the only hook of `migrate`

        from integrations.operators import roles  # noqa: PLC0415 - models are not loaded before this
        from integrations.operators.rights import rights_seal  # noqa: PLC0415
        from integrations.operators.second_factor import totp  # noqa: PLC0415

        totp.register()
        rights_seal.register()
        post_migrate.connect(roles.write, sender=self)
