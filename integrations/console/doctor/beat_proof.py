"""Proof that a heartbeat comes from beat: a signed moment in its message, for half a minute.

Who can write to the broker can send the message of the task. Without the proof they could hide for days that beat is
dead. It is neither secret nor a decision: one that is sent again counts for the rest of its half minute.
"""

from __future__ import annotations

from datetime import timedelta

from django.core.signing import BadSignature

from integrations.core import signed as signatures

TASK = "console.heartbeat"
LIFE = timedelta(seconds=30)  # the message itself expires after ten
_SALT = "console.doctor.beat_proof"


def make() -> str:
    """The proof for a message that leaves now."""
    return signatures.dumps("beat", salt=_SALT)


def holds(proof: str) -> bool:
    """Whether a process of this deployment has made it, within `LIFE`."""
    try:
        return bool(signatures.loads(proof, salt=_SALT, max_age=LIFE) == "beat")
    except (BadSignature, ValueError, TypeError):
        return False
