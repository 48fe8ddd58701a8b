"""Django app config of the sync room: registers webhook handlers and the due source of the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class SyncConfig(AppConfig):
    """App config of the sync."""

    name = "integrations.sync"
    label = "sync"
    verbose_name = "Data"

    def ready(self) -> None:
        """Import `synced.py` of every app, which adds resources.

        Then register webhook handlers, sealed columns, signed tables, due rows, the hook for scopes and the resources'
        scopes.
        """
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.sync import plans, queries, sealed_fields, suppression, tasks, webhook_handlers  # noqa: PLC0415
        from integrations.sync.resources import ALL  # noqa: PLC0415
        from integrations.sync.signed import choice_macs  # noqa: PLC0415
        from integrations.tenants import lifecycle_hooks, time_zones  # noqa: PLC0415
        from integrations.tokens import scope_gaps  # noqa: PLC0415

        autodiscover_modules("synced")
        webhook_handlers.register()
        suppression.register()
        sealed_fields.register()
        choice_macs.register(plans.discarded)
        time_zones.register(queries.time_zone)
        dispatch.register(tasks.FOLLOW_SOURCE)
        dispatch.register(tasks.DROP_SOURCE)
        dispatch.register(tasks.FORGET_SOURCE)
        dispatch.register(tasks.ADAPT_SOURCE)
        dispatch.register(tasks.SOURCE)
        lifecycle_hooks.on("scopes_changed")(plans.apply_scope_change)
        for resource in (one for one in ALL if one.default):  # the page of resources says it of the others
            scope_gaps.need(f"sync of {resource.name}", "Location", resource.scopes, optional=True)
