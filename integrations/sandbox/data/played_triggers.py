"""Workflow triggers of the app: which workflows have one, and what the app fired."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PlayedTrigger:
    """A trigger in a workflow of a location."""

    id: str
    location_id: str
    workflow_id: str
    key: str


@dataclass(slots=True)
class PlayedTriggers:
    """The triggers that workflows have now, by their ids, and what the app fired: the oldest first."""

    present: dict[str, PlayedTrigger] = field(default_factory=dict)
    fired: list[dict[str, Any]] = field(default_factory=list)

    def change(self, trigger: PlayedTrigger, event_type: str) -> PlayedTrigger:
        """Save or remove it, as the author of the workflow does. Returns the one of that workflow and key."""
        known = (one for one in self.present.values() if _place(one) == _place(trigger))
        kept = next(known, trigger)
        if event_type == "DELETED":
            self.present.pop(kept.id, None)
        else:
            self.present[kept.id] = kept
        return kept

    def report(self) -> dict[str, Any]:
        """Both lists as JSON, for the control pages."""
        return {"triggers": [asdict(one) for one in self.present.values()], "fired": list(self.fired)}


def _place(trigger: PlayedTrigger) -> tuple[str, str, str]:
    return trigger.location_id, trigger.workflow_id, trigger.key
