"""The cause of a failure: what two failures have in common that one repair would end.

Two failures have one cause if app, kind, subject, error code and HTTP status are the same, and the error's words, too,
once ids, numbers, quoted texts, addresses and telephone numbers are out of them. So the words of a problem name no
tenant and no person.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import datetime

from integrations.core import masking
from integrations.problems.models import FailureKind
from integrations.tenants.models import App

LONGEST = 300
_READ = 1_000  # characters of an error that are looked at
# What our own code adds to an error for the row that has it.
_ADDED = re.compile(r"\s*\((?:trace id [^)]*|event [^)]* was set aside|\d+ times in a row)\)")
_QUOTED = re.compile(r"""(?<!\w)(["'`“‘«]).{1,200}?["'`”’»](?!\w)""")
_URL = re.compile(r"https?://\S+")
_STATUS, _BEFORE_STATUS = re.compile(r"[1-5]\d\d"), re.compile(r"(?:answered|status|code|HTTP)\W+\Z")  # of the cause
_WORD = re.compile(r"[\w@.:/-]+")
_POSITION = re.compile(r"[A-Za-z_./-]+\.py:\d+")  # the line changes with every release
_MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])[A-Za-z]{16,}")  # an id of the vendor may have no digit


@dataclass(frozen=True, slots=True)
class RecordedFailure:
    """One failure. `row` is the key of the row that has it, `tenant_id` is empty for one of no tenant."""

    kind: FailureKind
    subject: str
    code: str
    words: str
    tenant_id: str
    at: datetime
    row: int
    status: int | None = None
    trace_id: str = ""
    app_id: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What failures of one problem have in common."""

    kind: str
    subject: str
    code: str
    status: int | None
    words: str
    app_id: int | None = None
    of_first_app: bool = True

    @property
    def fingerprint(self) -> str:
        """A stable key of the cause. That of the first app is the one of before causes knew their app."""
        parts = [self.kind, self.subject, self.code, self.status, self.words]
        parts += [] if self.of_first_app else [self.app_id]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def without_words(self) -> Cause:
        """The cause of failures whose words differ too much to be told apart."""
        return replace(self, words="")


def first_app() -> int | None:
    """The key of the oldest app here; None without any."""
    return App.objects.order_by("pk").values_list("pk", flat=True).first()


def of(failure: RecordedFailure, first: int | None) -> Cause:
    """The cause of a failure. `first` is the key of the first app."""
    return Cause(
        failure.kind.value,
        failure.subject[:200],
        failure.code,
        failure.status,
        common_words(failure.words),
        failure.app_id,
        of_first_app=failure.app_id in (None, first),
    )


def common_words(text: str) -> str:
    """The words of an error without what differs from one failure to the next."""
    text = _ADDED.sub("", text[:_READ])
    text = masking.text(_QUOTED.sub("…", _URL.sub("…", text))).replace(masking.MASK, "…")
    return " ".join(_WORD.sub(_plain, text).split())[:LONGEST]


def _plain(found: re.Match[str]) -> str:
    word = found[0]
    core = word.rstrip(".:/-")
    if _STATUS.fullmatch(core) and _BEFORE_STATUS.search(found.string, 0, found.start()):
        return word
    if _POSITION.fullmatch(core):
        return core.rpartition(":")[0]
    if any(char.isdigit() for char in core) or _MIXED.fullmatch(core):
        return "#" + word[len(core) :]
    return word
