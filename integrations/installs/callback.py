"""The OAuth callback: consumes the state, exchanges the code and completes the installation.

The database is queried before the code is exchanged, so that an outage is noticed before the code is used up. With a
state the install began on our page and must return to the same browser. Without a state it began in the marketplace:
it is installed like any other and stays unclaimed (FACTS section 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from integrations.core import clock
from integrations.core.errors import BadRequest, ConsentDenied, GrantRevoked, StateInvalid, VendorAnswer
from integrations.highlevel.oauth import client as oauth
from integrations.installs import complete, consent_answer
from integrations.installs.browser import state
from integrations.tenants import marketplace

if TYPE_CHECKING:
    from integrations.tenants.models import App, Installation

_LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True)
class Callback:
    """Parameters of the callback request, and the cookie that binds it to a browser. A missing parameter is None."""

    code: str | None = field(repr=False)
    state: str | None = field(repr=False)
    error: str | None
    app: str | None
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completed:
    """The installation that the grant is for, and the one that a consent link asked: another one, if a person erred."""

    installation: Installation
    asked: Installation | None


def handle(callback: Callback) -> Completed:
    """Complete the installation that the callback brings.

    Raises StateInvalid (also for a code that was used before), ConsentDenied, BadRequest, ClientRejected, Unreachable,
    ServerFault, and InstallPending when the database was lost after the exchange: `installs.sweep` then completes it.
    """
    app, claimant, asked = _origin(callback)
    if callback.error:
        if asked is not None:
            consent_answer.settle(asked, None, now=clock.now())
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
    row = complete.complete_or_spool(app, grant, origin=origin, claimant=claimant, now=clock.now())
    if asked is None:
        return Completed(row, None)
    consent_answer.settle(asked, row, now=clock.now())
    return Completed(row, asked)


def _origin(callback: Callback) -> tuple[App, str, Installation | None]:
    """The app, the claimant (empty without a state), and the account of a consent link. Queries the database."""
    if callback.state is None:
        return marketplace.find(callback.app), "", None
    row = state.consume(callback.state, browser=callback.browser, now=clock.now())
    # Who follows a consent link claims nothing: they may choose any account.
    claimant = "" if row.installation else "the browser that started it"
    return row.app, row.claimant or claimant, row.installation
