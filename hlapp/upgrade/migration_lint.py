"""Lint of a checkout's migrations: all are applied to a scratch database, and `migration_rules` judge what they did."""

from __future__ import annotations

from dataclasses import dataclass, field

from hlapp.upgrade import migration_rules, observed_migrations
from hlapp.upgrade.lint_exceptions import EXCEPTIONS
from integrations.backups import replaced_migrations
from integrations.backups.scratch_database import scratch_database


@dataclass(slots=True)
class LintResult:
    """Broken rules by migration. `excused`: those of exceptions. `needless`: exceptions that nothing needs."""

    migrations: int = 0
    findings: dict[str, list[str]] = field(default_factory=dict)
    excused: dict[str, list[str]] = field(default_factory=dict)
    needless: list[str] = field(default_factory=list)


def lint() -> LintResult:
    """Lint all migrations, those of own apps too. Raises BadRequest without the right to create a database."""
    result = LintResult()
    with scratch_database():
        for effects in observed_migrations.observe(replaced_migrations.every()):
            result.migrations += 1
            if words := migration_rules.findings(effects):
                (result.excused if effects.name in EXCEPTIONS else result.findings)[effects.name] = words
    result.needless = sorted(EXCEPTIONS.keys() - result.excused.keys())
    return result
