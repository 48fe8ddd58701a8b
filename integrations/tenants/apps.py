from __future__ import annotations

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "integrations.tenants"
    label = "tenants"

    def ready(self) -> None:
        from integrations.tenants import lost_key, marketplace  # noqa: PLC0415 - models are not loaded before this

        marketplace.register()
        lost_key.register()
