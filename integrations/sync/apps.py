"""Django app config of the sync room: registers webhook handlers and the due source of the dispatcher."""

from __future__ import annotations

from django.apps import AppConfig


class SyncConfig(AppConfig):
    """App config of the sync."""

    name = "integrations.sync"
    label = "sync"

    def ready(self) -> None:
        """Register webhook handlers, sealed columns, due rows, the hook for scopes and scopes of resources."""
        # Models are not loaded before this.
        from integrations.core import dispatch  # noqa: PLC0415
        from integrations.sync import plans, sealed_fields, suppression, tasks, webhook_handlers  # noqa: PLC0415
        from integrations.sync.resources import ALL  # noqa: PLC0415
        from integrations.tenants import lifecycle_hooks  # noqa: PLC0415
        from integrations.tokens import scope_gaps  # noqa: PLC0415

        webhook_handlers.register()
        suppression.register()
        sealed_fields.register()
        dispatch.register(tasks.FOLLOW_SOURCE)
        dispatch.register(tasks.SOURCE)
        lifecycle_hooks.on("scopes_changed")(plans.apply_scope_change)
        for resource in ALL:
            scope_gaps.need(f"sync of {resource.name}", "Location", {resource.scope}, optional=True)
