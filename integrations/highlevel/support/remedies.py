"""What to do about each refusal of HighLevel, and whom to send what. One row for each reason of the error tables.

A reason without a row uses the row of its error's code. A code without one is no matter of HighLevel's: our own queue,
store or check refused, and its support cannot help.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.highlevel.support.channels import CHANGES, FORM, IDEAS, ISSUES, SLACK, STATUS, Channel


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, in order of their trouble. `channel`: where, when it is not done here."""

    text: str
    channel: Channel | None = None

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The text in parts, and whether each is a command, which stands in backticks."""
        return [(part, bool(number % 2)) for number, part in enumerate(self.text.split("`")) if part]


_INCIDENT = Step(
    "Look whether HighLevel reports an incident. Reads, syncs and jobs are repeated here by themselves.", STATUS
)
_GOES_ON = Step("It goes on for a quarter of an hour and there is no incident: send the report below.", FORM)
_OTHERS = Step("Ask whether other developers see the same. Leave ids of accounts out.", SLACK)
_REPORT = Step("It happens again although all of that is right: send the report below.", FORM)
_NEW_TOKEN = Step(
    "Make a new one at HighLevel and enter it here for the same account. The form says where it is found, and tests it "
    "before it replaces the old one."
)
_AGAIN = Step("Let the account install the app again, by the link on the credential's page.")

_OUTAGE = (_INCIDENT, _GOES_ON, _OTHERS)
_STATIC = (_NEW_TOKEN, Step("HighLevel refuses the new one too: send the report below.", FORM))
_OTHER_ACCOUNT = (
    Step("Call for the account that has it: an agency's operation with its company's id, a location's with its own."),
    Step("A token that was entered by hand: some operations open to an installed app alone, so install it there."),
    Step("The documentation names this kind of token for the operation: send the report below.", FORM),
    Step("Ask which kind of token works. Leave ids of accounts out.", SLACK),
)
_GRANT = (_AGAIN, Step("HighLevel refuses the new installation too: send the report below.", FORM))
_CLIENT = (
    Step("Compare client id and client secret with the app's in the developer portal, and enter the secret again."),
    Step("Both are right: send the report below.", FORM),
)

STEPS: dict[str, tuple[Step, ...]] = {
    "server_fault": _OUTAGE,
    "unreachable": _OUTAGE,
    "quota_exhausted": (
        Step("Nothing is broken: the work goes on when there is quota. The page of the quota shows who used it."),
        Step("HighLevel's headers in the answer show quota left: send the report below.", FORM),
    ),
    "validation": (
        Step("Change what HighLevel names. `manage.py catalogue show` has the fields; its support reviews no code."),
        Step("The documentation says otherwise: open an issue with the request's fields, without values.", ISSUES),
        Step("Ask for a body that works. Leave personal data out.", SLACK),
    ),
    "not_found": (
        Step("Compare the id with the account's: ids of another account are not found either."),
        Step("The record is there in HighLevel's own pages: send the report below.", FORM),
        Step("HighLevel has no such operation: propose it.", IDEAS),
    ),
    "endpoint_removed": (
        Step("Look for the successor, and take the newer files: `manage.py catalogue update`.", CHANGES),
        Step("There is none: propose it.", IDEAS),
    ),
    "unmapped_route": (
        Step("Compare method and path with the documentation: a wrong one gets this answer too.", CHANGES),
        Step("They are as documented: open an issue.", ISSUES),
        Step("The API does not offer it: propose it.", IDEAS),
    ),
    "wrong_version": (
        Step("Call with another version: `manage.py call … --version v3`, or 2021-07-28."),
        Step("The documentation names the version that was sent: open an issue.", ISSUES),
    ),
    "scope_missing": (
        Step(
            "An app: add the scope in the developer portal, then let the account consent again by its link. A private "
            "integration: add the scope to it in the account's settings."
        ),
        Step("The portal does not offer the scope: ask for it.", SLACK),
        Step("The scope was granted, and HighLevel refuses all the same: send the report below.", FORM),
    ),
    "wrong_kind": _OTHER_ACCOUNT,
    "wrong_location": _OTHER_ACCOUNT,
    "private_token_invalid": _STATIC,
    "api_key_invalid": _STATIC,
    "access_token_rejected": (
        Step("A worker replaces the token by itself. If the credential says that it needs to reconnect: use its link."),
        _REPORT,
    ),
    "unlisted_401": (
        Step(
            "Nothing here knows these words. Only HighLevel's support can say what they mean: send the report below.",
            FORM,
        ),
        _OTHERS,
    ),
    "grant_revoked": _GRANT,
    "client_rejected": _CLIENT,
    "location_inactive": (
        Step("The agency reactivates the account at HighLevel. Its tokens are kept, and work again then."),
        Step("It is active there: send the report below.", FORM),
    ),
    "provider_not_ready": (
        Step("Wait some seconds and set the status again. The token is good."),
        _REPORT,
    ),
    "not_implemented": (
        Step("The server does not serve this operation. The sandbox answers so what it does not play."),
    ),
    "request_rejected": (
        Step("Read HighLevel's words first: they are about this request. Its support reviews no code."),
        _OTHERS,
        _REPORT,
    ),
    "unknown_refusal": (_INCIDENT, _REPORT, _OTHERS),
}
OF_PLAN = frozenset(
    {
        "wrong_kind",
        "scope_missing",
        "api_key_invalid",
        "private_token_invalid",
        "unlisted_401",
        "unlisted",
    }
)


def steps(code: str, reason: str = "") -> tuple[Step, ...]:
    """What to do about an error of this code and reason; empty when it is no matter of HighLevel's."""
    return STEPS.get(reason) or STEPS.get(code, ())


def may_be_the_plan(reason: str, status: int | None) -> bool:
    """Whether the account's plan may be why HighLevel refused. It documents no answer for a plan."""
    return reason in OF_PLAN and (reason != "unlisted" or status == 403)
