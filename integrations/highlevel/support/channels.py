"""Channels through which HighLevel helps developers, as rows (FACTS section 19)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its name, its address, and what it takes."""

    name: str
    url: str
    takes: str


STATUS = Channel("status page", "https://status.gohighlevel.com", "incidents that HighLevel knows of")
FORM = Channel(
    "support form for developers",
    "https://developers.gohighlevel.com/support",
    "a call that fails against the documentation, with its trace id; no review of code",
)
SLACK = Channel(
    "developer Slack",
    "https://developers.gohighlevel.com/join-dev-community",
    "questions to other developers, and whether they see the same",
)
IDEAS = Channel(
    "ideas board", "https://ideas.gohighlevel.com", "what the API cannot do yet: propose it, or vote for it"
)
CHANGES = Channel(
    "API changelog", "https://marketplace.gohighlevel.com/docs/Changelog", "what changed in the API, and when"
)
ISSUES = Channel(
    "issues of the documentation",
    "https://github.com/GoHighLevel/highlevel-api-docs/issues",
    "documentation and OpenAPI files that differ from what the API does; they are public",
)
CHANNELS = (STATUS, FORM, SLACK, IDEAS, CHANGES, ISSUES)
