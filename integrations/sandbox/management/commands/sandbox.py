"""`manage.py sandbox`: the same server and options as `python -m integrations.sandbox`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from integrations.sandbox.server import commandline


class Command(BaseCommand):
    """`manage.py sandbox`."""

    help = "Serve a simulated HighLevel over real HTTP."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of `python -m integrations.sandbox`."""
        commandline.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C."""
        sys.exit(commandline.run(commandline.options_from(options)))
