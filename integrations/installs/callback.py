"""The OAuth callback: consumes the state, exchanges the code and completes the installation.

The database is queried before the code is exchanged, so that an outage is noticed before the code is used up. With a
state the install began on our page and must return to the same browser. Without a state it began in the marketplace:
it is installed like any other and stays unclaimed (FACTS section 2).
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
    """Parameters of the callback request, and the cookie that binds it to a browser. A missing parameter is None."""

    code: str | None
    state: str | None
    error: str | None
    app: str | None
    browser: str


def handle(callback: Callback) -> Installation:
    """Complete the installation that the callback brings.

    Raises StateInvalid (also for a code that was used before), ConsentDenied, BadRequest, ClientRejected, Unreachable,
    ServerFault, and InstallPending when the database was lost after the exchange: `installs.sweep` then completes it.
    """
    app, claimant = _app_and_claimant(callback)
    if callback.error:
        raise ConsentDenied("the installation was not allowed: nothing was installed, and you can start again")
    if not callback.code or len(callback.code) > _LONGEST_CODE:
        raise BadRequest("the address lacks the code of an installation: start again from the install page")
    try:
        grant = oauth.exchange(marketplace.identity(app), callback.code, user_type="Location")
    except GrantRevoked as error:
        raise StateInvalid(
            "this installation link was used before or is too old: start again from the install page",
            vendor=VendorAnswer(trace_id=error.vendor.trace_id),
        ) from error
    origin = complete.origin_of(callback.state)
    return complete.complete_or_spool(app, grant, origin=origin, claimant=claimant, now=clock.now())


def _app_and_claimant(callback: Callback) -> tuple[App, str]:
    """The app, and the claimant; the claimant is empty without a state. Queries the database."""
    if callback.state is None:
        return marketplace.find(callback.app), ""
    row = state.consume(callback.state, browser=callback.browser, now=clock.now())
    return row.app, row.claimant or "the browser that started it"
