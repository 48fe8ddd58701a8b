"""`manage.py operators`: make operators, give them roles, end their back-off."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from integrations.core.command_output.printable_command import PrintableCommand
from integrations.core.errors import IntegrationError
from integrations.core.secret import Secret
from integrations.operators import accounts
from integrations.operators.models import OpenIdIdentity
from integrations.operators.roles import Role
from integrations.operators.second_factor import factors


class Command(PrintableCommand):
    """`manage.py operators`."""

    help = "Make operators of the console, give them roles (viewer, support, operator, owner), unlock their accounts."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        actions = parser.add_subparsers(dest="action", required=True)
        found = [actions.add_parser("list", help="operators with their roles")]
        create = actions.add_parser("create", help="make an operator; the password is read from standard input")
        role = actions.add_parser("role", help="give an operator another role")
        unlock = actions.add_parser("unlock", help="end the wait after failed sign-ins")
        reset = actions.add_parser("reset-second-factor", help="remove all second factors, for who has lost them")
        seal = actions.add_parser(
            "seal", help="vouch for an account's rights and ways to sign in, as the database has them"
        )
        for action in (create, role, unlock, reset, seal):
            action.add_argument("name", help="the account's name")
        create.add_argument("--role", required=True, choices=Role.values)
        create.add_argument("--email", default="")
        create.add_argument(
            "--no-password", action="store_true", help="without a password: for sign-in through the identity provider"
        )
        role.add_argument("role", choices=Role.values)
        seal.add_argument("--yes", action="store_true", help="do not ask")
        for action in (*found, create, role, unlock, reset, seal):
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do it, and print the operators that it concerned."""
        try:
            users = self._do(options)
        except IntegrationError as error:
            raise CommandError(str(error)) from error
        shown = [_shown(user) for user in users]
        if options["json"]:
            self.stdout.write(json.dumps(shown, indent=2))
            return
        for one in shown:
            self.stdout.write(f"{one['name']}: {one['role'] or 'no role'}{'' if one['active'] else ', not active'}")
        if not shown:
            self.stdout.write("there is no operator yet: manage.py operators create NAME --role owner")

    def _do(self, options: dict[str, Any]) -> list[User]:
        if options["action"] == "list":
            return list(User.objects.filter(is_staff=True).order_by("username"))
        if options["action"] == "create":
            password = None if options["no_password"] else _password()
            return [accounts.create(options["name"], options["role"], email=options["email"], password=password)]
        user = accounts.find(options["name"])
        if options["action"] == "role":
            accounts.give_role(user, options["role"])
        elif options["action"] == "reset-second-factor":
            accounts.reset_second_factor(user)
        elif options["action"] == "seal":
            self._seal(user, yes=options["yes"])
        else:
            accounts.unlock(user)
        return [accounts.find(options["name"])]

    def _seal(self, user: User, *, yes: bool) -> None:
        groups = ", ".join(user.groups.order_by("name").values_list("name", flat=True)) or "none"
        own = ", ".join(sorted(user.user_permissions.values_list("codename", flat=True))) or "none"
        kind = "a superuser" if user.is_superuser else "no superuser"
        self.stderr.write(f"{user} is {kind}; groups: {groups}; permissions of its own: {own}.")
        known, link = factors.of(user), OpenIdIdentity.objects.filter(user=user).first()
        keys = ", ".join(key.name for key in known.passkeys) or "none"
        app = f"an authenticator app since {known.totp.created_at:%Y-%m-%d}" if known.totp else "no authenticator app"
        self.stderr.write(f"It signs in with {app}; passkeys: {keys}; recovery codes: {known.codes}.")
        self.stderr.write(f"At the identity provider it is {link or 'nobody'}.")
        self.stderr.write("Its password stays as it is in the database: change it if you did not set it yourself.")
        if not yes and input("Seal these rights? Type yes: ") != "yes":
            raise CommandError("nothing was sealed")
        accounts.seal(user)


def _password() -> Secret:
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline().rstrip("\n"))
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Password (again): "):
        raise CommandError("the passwords differ")
    return Secret(first)


def _shown(user: User) -> dict[str, Any]:
    return {
        "name": user.get_username(),
        "role": accounts.role_of(user),
        "active": user.is_active,
        "last_sign_in": user.last_login.isoformat() if user.last_login else None,
    }
