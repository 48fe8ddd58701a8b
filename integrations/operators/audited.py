"""What the audit trail says of operators: sign-ins, failures, sign-outs, accounts, second factors, sessions.

The subject of an entry is the account. A name that no account has is not recorded: it may be a password that was typed
into the wrong field.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from integrations.core import audit
from integrations.core.client_address import client_address


def subject(user: User) -> str:
    """The subject of entries about an account."""
    return f"user:{user.get_username()}"[:200]


def by_operator(request: HttpRequest, action: str, user: User, **detail: Any) -> None:
    """An entry about `user` for what the signed-in operator did."""
    audit.record(action, actor=f"operator {request.user.get_username()}"[:200], subject=subject(user), **detail)


def by_command(action: str, user: User, **detail: Any) -> None:
    """An entry about `user` for what was done on the command line."""
    audit.record(action, actor="command line", subject=subject(user), **detail)


def by_system(action: str, user: User, *, actor: str, **detail: Any) -> None:
    """An entry about `user` for what a command or a task of another room did."""
    audit.record(action, actor=actor, subject=subject(user), **detail)


def by_itself(request: HttpRequest, action: str, user: User, **detail: Any) -> None:
    """An entry for what an operator did to the own account, such as signing in."""
    actor = f"operator {user.get_username()}"[:200]
    audit.record(action, actor=actor, subject=subject(user), address=client_address(request), **detail)


def by_stranger(request: HttpRequest, action: str, username: str, **detail: Any) -> None:
    """An entry for a failed attempt to sign in as `username`, whether or not there is such an account."""
    known = User.objects.filter(username=username).first()
    address = client_address(request)
    audit.record(action, actor=f"client {address}", subject=subject(known) if known else "user:unknown", **detail)
