"""Django app of personal data: purges of tenants and contacts, exports, retention, and the inventory of all tables."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import autodiscover_modules


class PrivacyConfig(AppConfig):
    """App config of the room `privacy`."""

    name = "integrations.privacy"
    label = "privacy"
    verbose_name = "Personal data"

    def ready(self) -> None:
        """Import `personal_data.py` of every app, which declares what its models hold.

        Register due purges with the dispatcher, their MACs, the check, and the hook for uninstalls if it is wanted.
        """
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.privacy import checks as checks  # noqa: PLC0415 - registers by its import
        from integrations.privacy import purge_mac, purge_requests, tasks  # noqa: PLC0415
        from integrations.tenants import lifecycle_hooks  # noqa: PLC0415

        autodiscover_modules("personal_data")
        dispatch.register(tasks.SOURCE)
        purge_mac.register(purge_requests.refuse)
        if settings.PURGE_AFTER_UNINSTALL:
            lifecycle_hooks.on("uninstalled")(purge_requests.after_uninstall)
