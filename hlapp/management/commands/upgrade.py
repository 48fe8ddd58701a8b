"""`manage.py upgrade --plan`: what an upgrade to this code takes. `--lint` checks the checkout's migrations."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from hlapp.upgrade import migration_lint, upgrade_plan
from hlapp.upgrade.upgrade_plan import PlannedMigration, UpgradePlan
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError

_SHOWN = ("Upgrade", "Changed", "Removed", "Security")  # parts of the notes that a person sees here
_MEGABYTE = 2**20


class Command(PrintableCommand):
    """The command `upgrade`."""

    help = "Show what an upgrade to this code takes: migrations with their locks, restarts in order, notes, the vault."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define what to show."""
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("--plan", action="store_true", help="show the plan; nothing is changed")
        chosen.add_argument(
            "--lint", action="store_true", help="check migrations of a checkout by the rules of upgrades"
        )
        parser.add_argument(
            "--since", default="", metavar="VERSION", help="the version that runs now, if it is unknown"
        )
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Show. Raises CommandError when the upgrade has obstacles, or a migration breaks a rule."""
        try:
            if options["lint"]:
                self._lint(as_json=options["json"])
            else:
                self._plan(upgrade_plan.make(options["since"]), as_json=options["json"])
        except IntegrationError as error:
            raise CommandError(str(error)) from None

    def _lint(self, *, as_json: bool) -> None:
        found = migration_lint.lint()
        if as_json:
            self.stdout.write(json.dumps(asdict(found)))
        for name, words in found.findings.items():
            self.stderr.write(f"{name}: {'; '.join(words)}")
        if found.findings or found.needless:
            for name in found.needless:
                self.stderr.write(f"{name} needs no exception")
            raise CommandError("migrations that would stop running processes: docs/operating.md has the rules")

    def _plan(self, plan: UpgradePlan, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(asdict(plan)))
        else:
            self._print(plan)
        if plan.obstacles:
            raise CommandError("first: " + "; ".join(plan.obstacles))

    def _print(self, plan: UpgradePlan) -> None:
        self.stdout.write(f"From {plan.since or 'an unknown version (--since VERSION)'} to {plan.version}")
        self.stdout.write("\nSteps")
        for number, step in enumerate(plan.steps, 1):
            self.stdout.write(f"  {number}. {step}")
        self.stdout.write("\nMigrations" if plan.migrations else "\nNo migrations")
        for migration in plan.migrations:
            self._print_migration(migration)
        for title, lines in (("Vault", plan.vault), ("Workers that run now", plan.workers), ("Remarks", plan.remarks)):
            if lines:
                self.stdout.write(f"\n{title}")
                self.stdout.write("\n".join(f"  {line}" for line in lines))
        for release in plan.notes:
            for part in _SHOWN:
                if notes := release.parts.get(part):
                    self.stdout.write(f"\n{release.version}: {part}")
                    self.stdout.write("\n".join(f"  - {note}" for note in notes))

    def _print_migration(self, migration: PlannedMigration) -> None:
        self.stdout.write(f"  {migration.name}")
        for table in migration.tables:
            size = f"about {table.rows:,} rows, {table.bytes / _MEGABYTE:,.1f} MB"
            rewritten = ", written anew" if table.rewritten else ""
            self.stdout.write(f"    {table.name} ({size}): keeps out {table.keeps_out}{rewritten}")
        for warning in migration.warnings:
            self.stdout.write(f"    WARNING {warning}")
