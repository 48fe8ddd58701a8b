"""System check of the inventory: a model or column that is not declared there would be forgotten by every purge."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's name

from integrations.privacy import inventory


@register()
def inventory_is_complete(**_: Any) -> list[CheckMessage]:
    """privacy.W001 for each model."""
    return [
        Warning(
            f"{label}: {'; '.join(sentences)}",
            hint="Say there what its columns hold and how a tenant's rows are found; an app of your own calls "
            "`declare_personal_data` in its personal_data.py.",
            id="privacy.W001",
        )
        for label, sentences in inventory.problems().items()
    ]
