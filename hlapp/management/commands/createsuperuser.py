"""Django's `createsuperuser`, and the seal over the rights of the new account.

`manage.py operators create NAME --role owner` makes an account that can do the same on the console's pages.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCommand
from django.contrib.auth.models import User

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.operators import audited
from integrations.operators.rights import rights_seal


class Command(PrintableCommand, DjangoCommand):
    """The command `createsuperuser`."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account, and seal it."""
        known = set(User.objects.values_list("pk", flat=True))
        super().handle(*args, **options)
        for user in User.objects.exclude(pk__in=known):
            rights_seal.seal(user)
            audited.by_command("user.added", user, role="superuser")
