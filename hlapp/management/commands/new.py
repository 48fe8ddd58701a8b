"""`manage.py new job|page|resource|handler NAME`: adds one, with its test, to an own app."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError

from hlapp import project
from hlapp.scaffold import additions, naming
from integrations.core import own_apps
from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import BadRequest


class Command(PrintableCommand):
    """`manage.py new`."""

    help = "Add a job, page, resource or handler to an own app. `hlapp new NAME` makes a project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, how it is called, and where."""
        parser.add_argument("kind", choices=additions.KINDS)
        parser.add_argument("name", help="of the function, such as tag_newcomers")
        parser.add_argument("--app", default="", help="the app in apps/, if there are several")
        parser.add_argument("--event", default="ContactCreate", metavar="TYPE", help="of a handler")
        parser.add_argument("--operation", default="", metavar="KEY", help="of a resource: the listing to sync")
        parser.add_argument(
            "--list", default="", metavar="FIELD", help="of a resource: the list in an answer that has no pages"
        )
        parser.add_argument(
            "--level",
            default="",
            choices=("location", "company"),
            help="of a resource: whose records these are; unless given, those of the tokens that the operation takes",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the files. Raises CommandError with one line that says what to do."""
        if reason := naming.problem(options["name"]):
            raise CommandError(reason)
        try:
            names = {"app": self._app(options["app"]), "name": options["name"], **self._of_kind(options)}
            for path in additions.add(options["kind"], project.directory(), names):
                self.stdout.write(f"wrote {path}")
        except BadRequest as error:
            raise CommandError(str(error)) from error

    @staticmethod
    def _of_kind(options: dict[str, Any]) -> dict[str, str]:
        if options["kind"] == "handler":
            return additions.event(options["event"])
        if options["kind"] != "resource":
            return {}
        if not options["operation"]:
            raise BadRequest(
                "a resource needs --operation KEY, and --list FIELD for a listing without pages, such as --operation "
                "calendars.get-groups --list groups: manage.py catalogue list has the operations"
            )
        return additions.listing(options["operation"], options["list"], options["level"])

    @staticmethod
    def _app(wanted: str) -> str:
        folder = f"{project.APPS_FOLDER}."
        known = [config.name.removeprefix(folder) for config in own_apps.configs() if config.name.startswith(folder)]
        if wanted and wanted not in known:
            raise BadRequest(
                f"there is no app {wanted!r} in {project.APPS_FOLDER}/; there are: {', '.join(known) or 'none'}"
            )
        if not wanted and len(known) != 1:
            raise BadRequest(f"choose the app with --app NAME; there are: {', '.join(known) or 'none'}")
        return wanted or known[0]
