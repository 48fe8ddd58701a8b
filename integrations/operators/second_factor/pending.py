"""Session of an operator between password and second factor: ten minutes, open to one page.

Nothing is open to such a session but the page that asks for the factor. It ends after ten minutes, and when the
password changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from integrations.operators import audited
from integrations.operators.rights import rights_seal

LIFETIME = timedelta(minutes=10)
_KEY = "operators.pending"
_DONE = "operators.second_factor"


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """Who has given the password, and the page to go to at the end."""

    user: User
    then: str


def begin(session: SessionBase, user: User, then: str, now: datetime) -> None:
    """Note that the password was right. The session gets a new key."""
    session.cycle_key()
    made = int(now.timestamp())
    session[_KEY] = {"user": user.pk, "hash": user.get_session_auth_hash(), "at": made, "then": then}


def read(session: SessionBase, now: datetime) -> PendingSignIn | None:
    """The sign-in that waits for its second factor; None for none, one that has ended, or a seal that does not fit."""
    kept = session.get(_KEY)
    if not isinstance(kept, dict) or now.timestamp() - kept["at"] > LIFETIME.total_seconds():
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), kept["hash"]):
        return None
    if wrong := rights_seal.mismatch(user):  # a factor was written into the database after the password
        audited.by_system("sign_in.not_sealed", user, actor="system", wrong=wrong)
        return None
    return PendingSignIn(user, kept["then"])


def end(session: SessionBase) -> None:
    """Forget it, because it succeeded."""
    session.pop(_KEY, None)


def mark_complete(session: SessionBase) -> None:
    """Note that this session has proven a second factor, or that the identity provider answers for it."""
    session[_DONE] = True


def is_complete(session: SessionBase) -> bool:
    """Whether the session has proven a second factor."""
    return bool(session.get(_DONE))
