"""Django app config of the room `modules`: registers keys and triggers, and imports `modules.py` of own apps."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ModulesConfig(AppConfig):
    """App config of modules."""

    name = "integrations.modules"
    label = "modules"
    verbose_name = "Modules"

    def ready(self) -> None:
        """Register what this room handles, and import `modules.py` of every app. Models are loaded only now."""
        from integrations.modules import module_keys, subscription_mac, trigger_subscriptions  # noqa: PLC0415
        from integrations.tenants import lifecycle_hooks  # noqa: PLC0415
        from integrations.webhooks import handlers  # noqa: PLC0415
        from integrations.webhooks.module_deliveries import WORKFLOW_TRIGGER  # noqa: PLC0415

        module_keys.register()
        subscription_mac.register()
        handlers.on(WORKFLOW_TRIGGER, trigger_subscriptions.subscribed)
        lifecycle_hooks.on("uninstalled")(trigger_subscriptions.uninstalled)
        autodiscover_modules("modules")
