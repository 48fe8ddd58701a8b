"""Django's `changepassword`, which ends the account's sessions and seals its rights again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands.changepassword import Command as DjangoCommand
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.operators import audited, sessions
from integrations.operators.rights import rights_seal


class Command(PrintableCommand, DjangoCommand):
    """The command `changepassword`."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Change the password of an account whose rights are sealed."""
        user = rights_seal.accounts().filter(username=options["username"]).first()
        if user is not None and rights_seal.proven(user) is None:
            raise CommandError(
                f"the rights of {user} are not sealed: look at them with manage.py operators seal {user}"
            )
        said = super().handle(*args, **options)
        if user is not None:
            user.password = User.objects.get(pk=user.pk).password
            rights_seal.seal_password(user)
            sessions.end_all(user)
            audited.by_command("user.password_changed", user)
        return said
