"""`SignedRun`: the abstract model of a sync run with its MAC (`sync_run_mac`)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import models

from integrations.core.runs.models import AbstractRun
from integrations.sync.tables import sync_run_mac
from integrations.vault import row_macs

_COVERED = ("status", "kind", "checkpoint")


class SignedRun(AbstractRun):
    """A run whose MAC covers its plan, start, kind and checkpoint, and whether it goes on."""

    plan_id: int
    kind: Any
    checkpoint: Any

    mac = models.BinaryField(null=True)

    class Meta:
        abstract = True

    @cached_property
    def is_ours(self) -> bool:
        """Whether this application wrote what decides over the run, as it was when the row was read.

        Asked before a turn begins: it may change what it gets of the checkpoint.
        """
        self._digest = sync_run_mac.digest(self.checkpoint)
        return row_macs.fits(self.mac, self._mac_content({}))

    def with_mac(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns with the MAC that goes with them. A run that is not ours gets none."""
        if not set(_COVERED) & columns.keys() or not self.is_ours:
            return columns
        if "checkpoint" in columns:
            self._digest = sync_run_mac.digest(columns["checkpoint"])
        return {**columns, "mac": row_macs.mac(self._mac_content(columns))}

    def keep(self, columns: dict[str, Any]) -> None:
        """Keep what was written: the next MAC covers it."""
        for name in set(_COVERED) & columns.keys():
            setattr(self, name, columns[name])

    def _mac_content(self, changes: dict[str, Any]) -> bytes:
        kind, status = (changes.get(name, getattr(self, name)) for name in ("kind", "status"))
        return sync_run_mac.of(self.plan_id, self.started_at, kind, status, self._digest)
