"""`manage.py modules urls|rotate|end-former`: what to enter in the developer portal for the modules of an app."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from integrations.core import clock
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.modules import module_keys, module_urls
from integrations.tenants import marketplace

ACTOR = "manage.py modules"


class Command(PrintableCommand):
    """The command `modules`."""

    help = "URLs and key of an app's workflow actions, triggers, external authentication and conversation providers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the subcommands and their options."""
        common = ArgumentParser(add_help=False)
        common.add_argument("--app", metavar="ID", help="app id or client id; the default one unless given")
        common.add_argument("--json", action="store_true")
        verbs = parser.add_subparsers(dest="verb", required=True)
        urls = verbs.add_parser("urls", parents=[common], help="what to enter in the developer portal")
        urls.add_argument("--show-key", action="store_true", help="print the key too; the audit trail records it")
        verbs.add_parser("rotate", parents=[common], help="make a new key and print it; the former stays valid")
        verbs.add_parser("end-former", parents=[common], help="only the newest key is valid from now on")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand."""
        try:
            getattr(self, f"_{options['verb'].replace('-', '_')}")(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error

    def _urls(self, options: dict[str, Any]) -> None:
        app = marketplace.find(options["app"])
        found = [
            {"kind": one.kind, "name": one.name, "url": one.url, "enter_at": one.enter_at, "key": one.needs_key}
            for one in module_urls.of(app)
        ]
        key = module_keys.shown(app, by=ACTOR).reveal() if options["show_key"] else None
        valid = len(module_keys.keys_of(app))
        if options["json"]:
            shown = {} if key is None else {"key": key}
            report = {"header": module_keys.HEADER, "valid_keys": valid, **shown, "modules": found}
            self.stdout.write(json.dumps(report, indent=2))
            return
        for one in found:
            self.stdout.write(f"{one['enter_at']}\n  {one['url']}{'' if one['key'] else '  (no key)'}")
        self.stdout.write(f"\nStatic header for all that are not signed: {module_keys.HEADER}: {_key_text(key, valid)}")

    def _rotate(self, options: dict[str, Any]) -> None:
        app = marketplace.find(options["app"])
        key = module_keys.make(app, now=clock.now(), by=ACTOR)
        valid = len(module_keys.keys_of(app))
        if options["json"]:
            self.stdout.write(json.dumps({"header": module_keys.HEADER, "key": key.reveal(), "valid_keys": valid}))
            return
        self.stdout.write(f"{module_keys.HEADER}: {key.reveal()}")
        if valid > 1:
            self.stdout.write("The former key is valid until `manage.py modules end-former`.")

    def _end_former(self, options: dict[str, Any]) -> None:
        ended = module_keys.end_former(marketplace.find(options["app"]), by=ACTOR)
        text = json.dumps({"ended": ended, "valid_keys": 1}) if options["json"] else "Only the newest key is valid now."
        self.stdout.write(text)


def _key_text(key: str | None, valid: int) -> str:
    if key is not None:
        return key
    return "there is no key yet: manage.py modules rotate" if not valid else "shown by --show-key"
