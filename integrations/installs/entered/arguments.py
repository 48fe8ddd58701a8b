"""Options of the commands about one entered token: the tenant, the app, and how to print the result."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from integrations.core.tenant import Tenant
from integrations.tenants import marketplace
from integrations.tokens.models import CredentialKey


def declare(parser: CommandParser) -> None:
    """Declare `--location`, `--company`, `--app` and `--json`."""
    tenant = parser.add_mutually_exclusive_group(required=True)
    tenant.add_argument("--location", metavar="ID")
    tenant.add_argument("--company", metavar="ID")
    parser.add_argument("--app", metavar="ID", help="the marketplace app, when there are several")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def key(options: dict[str, Any]) -> CredentialKey:
    """The key that the options name. Raises BadRequest for an unknown app."""
    tenant = Tenant.location(options["location"]) if options["location"] else Tenant.company(options["company"])
    return CredentialKey(marketplace.find(options["app"]), tenant)
