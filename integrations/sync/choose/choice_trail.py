"""What a choice of resources changes, with the value before and after, for the audit trail."""

from __future__ import annotations

from typing import Any

from integrations.core import audit
from integrations.core.tenant import Tenant
from integrations.sync import resource_choices
from integrations.sync.models import Plan
from integrations.sync.resource_choices import USUAL
from integrations.sync.resources import RESOURCES, at_level
from integrations.tenants.models import App


class ChoiceTrail:
    """Writes the steps of one choice, for an app or one tenant, into the audit trail. Used in their transaction."""

    def __init__(self, app: App, tenant: Tenant | None, actor: str) -> None:
        self._app, self._tenant, self._actor = app, tenant, actor
        self._before = self._counted()

    def note(self, action: str, **detail: Any) -> None:
        """An entry with what the step before it changed: by `<resource>.<column>` the old and the new value."""
        after = self._counted()
        subject = self._tenant.audit_subject if self._tenant else f"App:{self._app.pk}"
        changed = audit.changes(self._before, after)
        audit.record(action, actor=self._actor, subject=subject, **detail, changed=changed)
        self._before = after

    def _counted(self) -> dict[str, Any]:
        """What counts now. A tenant's plan has it; without a plan the app's choice does."""
        selected, columns = resource_choices.chosen(self._app.pk), resource_choices.of_app(self._app.pk)
        names = at_level(self._tenant.user_type) if self._tenant else RESOURCES
        found = {name: {"enabled": name in selected, **resource_choices.chosen_for(columns, name)} for name in names}
        if self._tenant:
            for plan in Plan.objects.filter(app=self._app, location_id=self._tenant.id, variant=""):
                own = {name: getattr(plan, name) for name in ("enabled", "is_own_choice", *USUAL)}
                found[plan.resource] = own
        return {f"{name}.{column}": value for name, one in found.items() for column, value in one.items()}
