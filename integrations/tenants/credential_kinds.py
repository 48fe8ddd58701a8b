"""Kinds of credentials, and what each can do: the one table that says how OAuth, private tokens and API keys differ.

Rooms above ask an installation for its `abilities` and never for the name of its kind.

::

    kind                        API                quota of a tenant           the vendor reports
    OAuth grant                 the app's dialect  the app's own               lists, INSTALL, UNINSTALL, webhooks
    private integration token   the app's dialect  of private integrations     nothing
    API 1.0 key                 API 1.0            of API 1.0                  nothing

Limits belong to (app, resource), and every program with the same app and resource shares one quota (FACTS section 4). A
private integration is not the marketplace app under which its token is entered. Whether two tokens of one account share
a quota is not stated, so they share one here: the stricter reading. The same holds for keys (FACTS section 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.db.models import IntegerChoices, TextChoices

ApiName = Literal["v2", "v3", "1.0"]
API_1: ApiName = "1.0"  # as `highlevel.catalogue.api_version` calls it


class CredentialKind(TextChoices):
    """The origin of a token."""

    OAUTH = "oauth", "OAuth (API 2.0)"
    PRIVATE = "private", "private integration token"
    KEY = "key", "API 1.0 key"


class CredentialApi(IntegerChoices):
    """The API that a token is for: a location may have an API 1.0 key beside its OAuth grant."""

    ONE = 1, "API 1.0"
    TWO = 2, "API 2.0 and v3"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a kind of credential can do.

    `reported`: the vendor lists the installation and sends its events; only the vendor can say that it ended. `renews`:
    workers renew the token; one that does not is replaced by an operator. `quota`: the name of the quota that all apps
    share on a tenant, empty for the app's own.
    """

    api: CredentialApi
    reported: bool
    renews: bool
    quota: str = ""


ABILITIES: dict[CredentialKind, Abilities] = {
    CredentialKind.OAUTH: Abilities(CredentialApi.TWO, reported=True, renews=True),
    CredentialKind.PRIVATE: Abilities(CredentialApi.TWO, reported=False, renews=False, quota="private-integration"),
    CredentialKind.KEY: Abilities(CredentialApi.ONE, reported=False, renews=False, quota="api-1.0"),
}
STATIC = tuple(kind for kind, abilities in ABILITIES.items() if not abilities.renews)
REPORTED = tuple(kind for kind, abilities in ABILITIES.items() if abilities.reported)


def abilities(kind: str) -> Abilities:
    """The abilities of a kind, by its stored name."""
    return ABILITIES[CredentialKind(kind)]
