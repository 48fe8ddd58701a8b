"""What a visitor reads when something fails: one row per kind of error, closed by default.

The text of an exception is for logs and operators. It may name settings, tables or the vendor, and the pages of an
agency name none of them (white-label rule of the marketplace), so pages take their words from here alone. An error
without a row of its own is worded by its nearest ancestor; the two roots have rows, so nothing falls through.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.core import errors

_INSTALL_AGAIN = "Start the installation again from the marketplace or from this site."
_LATER = "Wait a moment and load the page again. Nothing you did was lost."
_ADMIN = "Tell the people who run this integration, and give them the code below."


@dataclass(frozen=True)
class Wording:
    """One page's words and the HTTP status it is sent with."""

    status: int
    title: str
    message: str
    what_to_do: str


TABLE: dict[type[errors.IntegrationError], Wording] = {
    errors.Retryable: Wording(503, "Try again in a moment", "The service is busy just now.", _LATER),
    errors.Unreachable: Wording(503, "Try again in a moment", "The platform behind this page did not answer.", _LATER),
    errors.ServerFault: Wording(503, "Try again in a moment", "The platform behind this page has a fault.", _LATER),
    errors.QuotaExhausted: Wording(
        503, "Try again in a moment", "Too many requests are under way for this account.", _LATER
    ),
    errors.TooManyRequests: Wording(
        429, "Too many requests", "This page was asked for more often than it can answer.", _LATER
    ),
    errors.InstallPending: Wording(
        503, "Almost there", "The installation is still being set up.", "Load this page again in a minute."
    ),
    errors.StoreUnavailable: Wording(503, "Try again in a moment", "Part of this service is being restarted.", _LATER),
    errors.Permanent: Wording(409, "That did not work", "This could not be completed.", _ADMIN),
    errors.GrantRevoked: Wording(
        409, "The connection was ended", "Access for this account is no longer granted.", _INSTALL_AGAIN
    ),
    errors.InstallGone: Wording(404, "Not installed", "The app is not installed here.", _INSTALL_AGAIN),
    errors.LocationInactive: Wording(
        409,
        "The account is paused",
        "This sub-account is paused or closed, so its data cannot be reached.",
        "Once it is active again, the connection resumes by itself.",
    ),
    errors.ScopeMissing: Wording(
        409, "A permission is missing", "The installed version lacks a permission this needs.", _INSTALL_AGAIN
    ),
    errors.ClientRejected: Wording(502, "The app is not set up correctly", "It could not sign in.", _ADMIN),
    errors.RequestRejected: Wording(
        502, "The platform refused", "The platform behind this page refused the request.", _ADMIN
    ),
    errors.BadRequest: Wording(
        400,
        "That link does not work",
        "The address is incomplete, or names something that does not exist here.",
        "Check the link, or start from the first page.",
    ),
    errors.ConsentDenied: Wording(
        400,
        "Nothing was installed",
        "The installation was cancelled, or its permissions were not granted.",
        "You can start it again from the first page whenever you like.",
    ),
    errors.SealBroken: Wording(500, "Something is wrong here", "A stored value cannot be read.", _ADMIN),
    errors.Untrusted: Wording(
        400, "That could not be accepted", "The request is not what it claims to be.", _INSTALL_AGAIN
    ),
    errors.StateInvalid: Wording(
        400,
        "This installation link has expired",
        "It was used before, took too long, or was opened in another browser.",
        _INSTALL_AGAIN,
    ),
    errors.SignatureInvalid: Wording(
        401, "You could not be recognised", "Your sign-in could not be verified.", "Close the page and open it again."
    ),
    errors.PayloadTooLarge: Wording(413, "Too large", "The request is larger than allowed.", _ADMIN),
    errors.IntegrationError: Wording(500, "Something went wrong", "This could not be completed.", _ADMIN),
}

OUTAGE = Wording(503, "Try again in a moment", "The service cannot reach its database just now.", _LATER)
HTTP: dict[int, Wording] = {
    400: Wording(400, "That request is malformed", "It could not be understood.", "Go back and try once more."),
    403: Wording(403, "Not allowed", "You may not open this page.", "Sign in with an account that may, or go back."),
    404: Wording(
        404, "Page not found", "There is nothing at this address.", "Check the link, or start from the first page."
    ),
    500: Wording(500, "Something went wrong", "The fault is ours and has been written down.", _LATER),
}
FORM_EXPIRED = Wording(
    403, "This form has expired", "It could not be verified that you sent it.", "Go back, reload, send it again."
)


def of(error: errors.IntegrationError) -> Wording:
    """The row of the error's own kind, or of its nearest ancestor that has one."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
