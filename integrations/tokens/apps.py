"""Django app of credentials: registers them with the vault, the spool and the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """App config of the room `tokens`."""

    name = "integrations.tokens"
    label = "tokens"
    verbose_name = "Credentials"

    def ready(self) -> None:
        """Register sealed columns, spooled grants, lost-key handlers and due refreshes."""
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.tokens import lost_key, seals, tasks  # noqa: PLC0415
        from integrations.tokens.refresh import commit  # noqa: PLC0415
        from integrations.tokens.spool import spool, vault_adapter  # noqa: PLC0415

        seals.register()
        vault_adapter.register()
        lost_key.register()
        spool.register(commit.KIND, commit.spooled_pair)
        dispatch.register(tasks.SOURCE)
