"""Names of projects, apps and what is in them: they become modules, tables and URLs."""

from __future__ import annotations

import keyword

# Top-level packages and labels that a project cannot have twice.
_TAKEN = frozenset({"admin", "apps", "auth", "contenttypes", "demo", "django", "hlapp", "integrations", "manage"}) | {
    *("messages", "project", "sandbox", "sessions", "settings", "staticfiles", "tests", "unfold"),
    *("console", "core", "gateway", "highlevel", "installs", "jobs", "operators", "privacy", "quota", "sync"),
    *("tenants", "tokens", "vault", "webhooks"),
}


def problem(name: str) -> str:
    """Why this name cannot be used, with what to do; empty if it can."""
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower() or not name.isascii():
        return f"{name!r} is no name for a Python module: use lower-case letters, digits and underscores"
    if name in _TAKEN:
        return f"{name!r} is a name that hlapp uses: choose another"
    return ""
