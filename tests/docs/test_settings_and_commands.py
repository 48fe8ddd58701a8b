"""The pages of settings and commands are complete: they name every variable and every command, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from django.core.management import get_commands

from hlapp.settings import env

DOCS = Path(__file__).resolve().parents[2] / "docs"
ELSEWHERE = "OTEL_"  # OpenTelemetry documents its own
EARLIER = {"HLAPP_PROJECT", "DATABASE_DIRECT_URL"}  # read before or beside the settings
DJANGO = {"migrate", "collectstatic", "check"}
WITH_DEBUG = {"sandbox"}  # production and tests do not have it
OF_DJANGO = {"changepassword", "createsuperuser"}  # which the operators' room replaces
DEVELOPMENT = {"demo", "new"}  # the README and docs/extending.md have them


def test_every_variable_is_explained_and_exists() -> None:
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("settings.md", "personal-data.md"))
    assert sorted(name for name in env.names if f"`{name}`" not in text and not name.startswith(ELSEWHERE)) == []
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    listed = {name for line in page.splitlines() if line.startswith("- ") for name in _names(line.partition(":")[0])}
    assert {name for name in listed if not name.startswith(ELSEWHERE)} - env.names == EARLIER


def test_every_command_is_listed_and_exists() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"manage\.py (\w+)", page))
    ours = {name for name, app in get_commands().items() if app.startswith(("integrations.", "hlapp"))}
    assert ours - listed - DEVELOPMENT == OF_DJANGO
    assert listed - ours - DJANGO == WITH_DEBUG


def _names(text: str) -> list[str]:
    return re.findall(r"`([A-Z][A-Z0-9_]+)`", text)
