from __future__ import annotations

from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "integrations.tokens"
    label = "tokens"

    def ready(self) -> None:
        from integrations.tokens import seals  # noqa: PLC0415 - models are not loaded before this

        seals.register()
