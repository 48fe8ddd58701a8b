"""Django app of tenants: marketplace apps, companies, locations and installations."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class TenantsConfig(AppConfig):
    """App config of the room `tenants`."""

    name = "integrations.tenants"
    label = "tenants"

    def ready(self) -> None:
        """Register the directory of tenants for links, and sealed columns and the lost-key handler with the vault.

        Imports `hooks.py` of every installed app, which defines its lifecycle hooks.
        """
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.core.pages import tenant_links  # noqa: PLC0415 - models are not loaded before this
        from integrations.tenants import lost_key, marketplace, names, tasks  # noqa: PLC0415

        tenant_links.use(names)
        marketplace.register()
        lost_key.register()
        autodiscover_modules("hooks")
        dispatch.register(tasks.SOURCE)
