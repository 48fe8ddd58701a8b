"""Django app of tenants: marketplace apps, companies, locations and installations."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class TenantsConfig(AppConfig):
    """App config of the room `tenants`."""

    name = "integrations.tenants"
    label = "tenants"
    verbose_name = "Tenants"

    def ready(self) -> None:
        """Register the directory of tenants for links, and sealed columns, a signed table and the lost-key handler.

        Imports `hooks.py` of every installed app, which defines its lifecycle hooks.
        """
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.core.pages import tenant_links  # noqa: PLC0415 - models are not loaded before this
        from integrations.tenants import change_mac, lost_key, marketplace, names, tasks  # noqa: PLC0415

        tenant_links.use(names)
        marketplace.register()
        lost_key.register()
        change_mac.register()
        autodiscover_modules("hooks")
        dispatch.register(tasks.SOURCE)
