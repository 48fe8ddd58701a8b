"""Sessions of operators: Django's, in the database, of which the database alone has nothing. They can be ended.

Django stores a session under the key that is in the cookie, so who reads the table has the cookies of all operators.
Here the row's key is a MAC of the cookie's under SECRET_KEY, and the signature of the data is for that row: data that
is copied from another operator's row is not read.

A row also says whose session it is, since when, and from which address and browser. To delete it ends the
session. Sessions end when the account's password, role, permissions or second factor change.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends import db
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from integrations.core import clock
from integrations.core.client_address import client_address
from integrations.operators.models import OperatorSession

_LENGTH = 40  # of the column; 160 bits
_ABOUT = "operators.session"
_LONGEST_BROWSER = 200


class SessionStore(db.SessionStore):
    """The session engine (`SESSION_ENGINE`). `session_key` is the cookie's; `stored_key` is the row's."""

    @classmethod
    def get_model_class(cls) -> type[OperatorSession]:
        """The model of the rows."""
        return OperatorSession

    @property
    def key_salt(self) -> str:
        """The salt of the data's signature."""
        return f"integrations.operators.sessions:{stored_key(self.session_key or '')}"

    def exists(self, session_key: str) -> bool:
        """Whether a session has the key of the cookie."""
        return bool(super().exists(stored_key(session_key)))

    def create_model_instance(self, data: Any) -> Any:
        """The row to save."""
        row: Any = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        about = data.get(_ABOUT, {})
        row.started_at, row.address, row.browser = about.get("at"), about.get("address", ""), about.get("browser", "")
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete the session with the key of the cookie, this one unless given."""
        key = session_key or self.session_key
        if key:
            super().delete(stored_key(key))

    def _get_session_from_db(self) -> Any:
        try:
            return self.model.objects.get(session_key=stored_key(self.session_key or ""), expire_date__gt=clock.now())
        except (self.model.DoesNotExist, SuspiciousOperation):
            self._session_key = None
        return None


def stored_key(session_key: str) -> str:
    """The key of the row for the key in a cookie."""
    return salted_hmac("integrations.operators.sessions", session_key, algorithm="sha256").hexdigest()[:_LENGTH]


def describe(request: HttpRequest) -> None:
    """Note in a session that begins when and from where it did."""
    request.session[_ABOUT] = {
        "at": clock.now().isoformat(),
        "address": client_address(request),
        "browser": request.headers.get("User-Agent", "")[:_LONGEST_BROWSER],
    }


def end_all(user: User, *, but: HttpRequest | None = None) -> int:
    """End the sessions of an operator, all but the one of the request `but`. Returns how many."""
    rows = OperatorSession.objects.filter(user=user)
    if but is not None:
        rows = rows.exclude(session_key=stored_key(but.session.session_key or ""))
    ended, _ = rows.delete()
    return ended
