"""Texts of the error pages: HTTP status, title, message and advice for each error class.

The text of an exception is for logs and operators: it may name settings, tables or the vendor. Pages for agencies must
not (white-label rule of the marketplace), so error pages show only the texts of this file. An error class without a
row uses the row of its nearest ancestor; the root has a row, so every error has a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.core import errors

_INSTALL_AGAIN = "Start the installation again from the marketplace or from this site."
_LATER = "Wait a moment and load the page again. Nothing you did was lost."
_ADMIN = "Tell the people who run this integration, and give them the code below."


@dataclass(frozen=True)
class ErrorText:
    """The texts of one error page, and the HTTP status it is sent with."""

    status: int
    title: str
    message: str
    what_to_do: str


BY_ERROR: dict[type[errors.IntegrationError], ErrorText] = {
    errors.Retryable: ErrorText(503, "Try again in a moment", "The service is busy at the moment.", _LATER),
    errors.Unreachable: ErrorText(
        503, "Try again in a moment", "The platform behind this page did not answer.", _LATER
    ),
    errors.ServerFault: ErrorText(503, "Try again in a moment", "The platform behind this page has a fault.", _LATER),
    errors.QuotaExhausted: ErrorText(
        503, "Try again in a moment", "Too many requests are under way for this account.", _LATER
    ),
    errors.TooManyRequests: ErrorText(
        429, "Too many requests", "This page received more requests than it can answer.", _LATER
    ),
    errors.InstallPending: ErrorText(
        503, "Almost there", "The installation is still being set up.", "Load this page again in a minute."
    ),
    errors.StoreUnavailable: ErrorText(
        503, "Try again in a moment", "Part of this service is being restarted.", _LATER
    ),
    errors.Permanent: ErrorText(409, "That did not work", "This could not be completed.", _ADMIN),
    errors.GrantRevoked: ErrorText(
        409, "The connection was ended", "Access for this account is no longer granted.", _INSTALL_AGAIN
    ),
    errors.InstallGone: ErrorText(404, "Not installed", "The app is not installed here.", _INSTALL_AGAIN),
    errors.LocationInactive: ErrorText(
        409,
        "The account is paused",
        "This sub-account is paused or closed, so its data cannot be reached.",
        "Once it is active again, the connection resumes by itself.",
    ),
    errors.ScopeMissing: ErrorText(
        409, "A permission is missing", "The installed version lacks a permission this needs.", _INSTALL_AGAIN
    ),
    errors.ClientRejected: ErrorText(502, "The app is not set up correctly", "It could not sign in.", _ADMIN),
    errors.RequestRejected: ErrorText(
        502, "The platform refused", "The platform behind this page refused the request.", _ADMIN
    ),
    errors.BadRequest: ErrorText(
        400,
        "That link does not work",
        "The address is incomplete, or names something that does not exist here.",
        "Check the link, or start from the first page.",
    ),
    errors.ConsentDenied: ErrorText(
        400,
        "Nothing was installed",
        "The installation was cancelled, or its permissions were not granted.",
        "You can start it again from the first page whenever you like.",
    ),
    errors.DestinationRefused: ErrorText(502, "The app is not set up correctly", "It could not sign in.", _ADMIN),
    errors.SealBroken: ErrorText(500, "Something is wrong here", "A stored value cannot be read.", _ADMIN),
    errors.Untrusted: ErrorText(
        400, "That could not be accepted", "The request could not be verified.", _INSTALL_AGAIN
    ),
    errors.StateInvalid: ErrorText(
        400,
        "This installation link has expired",
        "It was used before, took too long, or was opened in another browser.",
        _INSTALL_AGAIN,
    ),
    errors.SignatureInvalid: ErrorText(
        401, "You could not be recognised", "Your sign-in could not be verified.", "Close the page and open it again."
    ),
    errors.PayloadTooLarge: ErrorText(413, "Too large", "The request is larger than allowed.", _ADMIN),
    errors.IntegrationError: ErrorText(500, "Something went wrong", "This could not be completed.", _ADMIN),
}

OUTAGE = ErrorText(503, "Try again in a moment", "The service cannot reach its database at the moment.", _LATER)
BY_STATUS: dict[int, ErrorText] = {
    400: ErrorText(400, "That request is malformed", "The server could not read it.", "Go back and try once more."),
    403: ErrorText(403, "Not allowed", "You may not open this page.", "Sign in with an account that may, or go back."),
    404: ErrorText(
        404, "Page not found", "There is nothing at this address.", "Check the link, or start from the first page."
    ),
    500: ErrorText(500, "Something went wrong", "The fault is ours and has been logged.", _LATER),
}
FORM_EXPIRED = ErrorText(
    403, "This form has expired", "It could not be verified that you sent it.", "Go back, reload, send it again."
)


def for_error(error: errors.IntegrationError) -> ErrorText:
    """The text of the error's class, or of its nearest ancestor that has one."""
    return for_kind(type(error))


def for_kind(kind: type[errors.IntegrationError]) -> ErrorText:
    """The text of an error class, or of its nearest ancestor that has one."""
    return next(BY_ERROR[one] for one in kind.__mro__ if one in BY_ERROR)
