from __future__ import annotations

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "integrations.tokens"
    label = "tokens"

    def ready(self) -> None:
        # Models are not loaded before this.
        from integrations.tokens import lost_key, rescue, seals, spool, spool_keys  # noqa: PLC0415

        seals.register()
        spool_keys.register()
        lost_key.register()
        spool.register(rescue.KIND, rescue.commit)
