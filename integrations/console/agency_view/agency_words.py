"""Problems of an account in the words of the people who own it: no settings, tables, ids or names of the vendor.

The texts are those of our error pages (`console.errors.messages`), found by an error's code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.console.errors import messages
from integrations.core.errors import IntegrationError
from integrations.problems.models import FailureKind


@dataclass(frozen=True, slots=True)
class AgencyProblem:
    """One problem: what does not work, why, and what they can do; `what_to_do` is empty if it is ours to mend."""

    what: str
    words: str
    what_to_do: str


_OURS = "We look into it; there is nothing you have to do."
_WHAT = {
    FailureKind.CALL: "Some requests to your account fail",
    FailureKind.EVENT: "Some changes of your account could not be taken over yet",
    FailureKind.SYNC: "Some data could not be fetched",
    FailureKind.JOB: "Some automatic work failed",
    FailureKind.JOB_EVENT: "Some automatic work failed",
    FailureKind.CREDENTIAL: "The connection to your account has a problem",
    FailureKind.OUTBOX: "Some changes could not be sent to your account yet",
    FailureKind.ENTRY: "Some changes could not be sent to your account yet",
    FailureKind.WRITE: "It is not clear whether a change reached your account",
    FailureKind.EXPORT: "A file with your data could not be made",
    FailureKind.UPSERT: "Some changes could not be sent to your account yet",
    FailureKind.UPSERT_ROW: "It is not clear whether a change reached your account",
}
# What people of the account can mend by themselves. For all else the texts of error pages ask for a page to be loaded
# again or for a code to be sent, which fits no list.
_THEIRS = {
    "grant_revoked": "Connect it again.",
    "scope_missing": "Grant the missing permissions.",
    "location_inactive": "Once it is active again, this goes on by itself.",
}


def resource(name: str, code: str) -> AgencyProblem:
    """A resource of a sub-account that could not be fetched because of the error with this code."""
    return AgencyProblem(f"{name.replace('_', ' ')} could not be fetched".capitalize(), *_why(code))


def failure(kind: str, code: str) -> AgencyProblem:
    """Failures of this kind with the error of this code."""
    return AgencyProblem(_WHAT[FailureKind(kind)], *_why(code))


def _why(code: str) -> tuple[str, str]:
    kind = _BY_CODE.get(code)
    words = messages.for_kind(kind).message if kind else "Something unexpected happened."
    return words, _THEIRS.get(code, _OURS)


def _kinds(kind: type[IntegrationError]) -> Iterator[type[IntegrationError]]:
    """The class and those below it, so that the first of a code is the one that others refine."""
    yield kind
    for refined in kind.__subclasses__():
        yield from _kinds(refined)


_BY_CODE: dict[str, type[IntegrationError]] = {}
for _kind in _kinds(IntegrationError):
    _BY_CODE.setdefault(_kind.code, _kind)
