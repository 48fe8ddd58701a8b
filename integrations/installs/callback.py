"""The OAuth callback: state, code, grant, installation; in that order, and nothing is spent before it can be kept.

With a state the install began on our page and must come back to the same browser. Without one it began in the
marketplace: it is kept, works like any other, and stays unclaimed (FACTS section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.core import clock
from integrations.core.errors import BadRequest, ConsentDenied, GrantRevoked, StateInvalid, VendorAnswer
from integrations.highlevel.oauth import client as oauth
from integrations.installs import complete, state
from integrations.tenants import marketplace

if TYPE_CHECKING:
    from integrations.tenants.models import App, Installation

_LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True)
class Callback:
    """What the browser brought. Each field is None when it was not there."""

    code: str | None
    state: str | None
    error: str | None
    app: str | None
    browser: str


def handle(brought: Callback) -> Installation:
    """Raises StateInvalid (a code used twice too), ConsentDenied, BadRequest, ClientRejected, Unreachable, ServerFault,
    InstallPending (the database is away; the sweep finishes it)."""
    app, claimant = _origin(brought)
    if brought.error:
        raise ConsentDenied("the installation was not allowed: nothing was installed, and you can start again")
    if not brought.code or len(brought.code) > _LONGEST_CODE:
        raise BadRequest("the address lacks the code of an installation: start again from the install page")
    try:
        grant = oauth.exchange(marketplace.identity(app), brought.code, user_type="Location")
    except GrantRevoked as error:
        raise StateInvalid(
            "this installation link was used before or is too old: start again from the install page",
            vendor=VendorAnswer(trace_id=error.vendor.trace_id),
        ) from error
    origin = complete.origin_of(brought.state)
    return complete.complete_or_keep(app, grant, origin=origin, claimant=claimant, now=clock.now())


def _origin(brought: Callback) -> tuple[App, str]:
    """The app, and who may claim what comes: the holder of a state. Touches the database before any code is spent."""
    if brought.state is None:
        return marketplace.find(brought.app), ""
    row = state.consume(brought.state, browser=brought.browser, now=clock.now())
    return row.app, row.claimant or "the browser that started it"
