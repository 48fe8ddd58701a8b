"""What Prism says against expectation and no request is at fault: whose fault it is, and why.

`fidelity.prism` fails for all that has no row here, and for a row that nothing needs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFault:
    """A refusal that has a reason. `operation` is a key of the catalogue, `words` part of what Prism says.

    Without `words`: Prism accepts a request of the operation that lacks what is required.
    """

    operation: str
    words: str
    whose: str
    reason: str


KNOWN = (
    KnownFault(
        operation="conversations.upload-file-attachments",
        words="property attachmentUrls must be array",
        whose="Prism",
        reason="a list in a multipart body is one part for each item, by OpenAPI; Prism keeps the last part as a text",
    ),
    KnownFault(
        operation="social-planner.attach-oauth-accounts",
        words="must match exactly one schema in oneOf",
        whose="the file",
        reason="a Facebook page fits the alternative of TikTok too, and has to fit one alone",
    ),
    KnownFault(
        operation="social-planner.attach-oauth-accounts",
        words="",
        whose="the file",
        reason="a Facebook page without its type fits the alternative of Pinterest alone, which requires an id only",
    ),
    KnownFault(
        operation="contacts.search-contacts-advanced",
        words="",
        whose="the file",
        reason="the schema of the body is empty",
    ),
)


def known(operation: str, words: str) -> KnownFault | None:
    """The row that explains these words of Prism, or that it has none."""
    for row in KNOWN:
        if row.operation == operation and bool(row.words) == bool(words) and row.words in words:
            return row
    return None
