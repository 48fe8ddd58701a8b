"""Sessions of operators: Django's, in the database, of which the database alone has nothing.

Django stores a session under the key that is in the cookie, so who reads the table has the cookies of all operators.
Here the row's key is a MAC of the cookie's under SECRET_KEY, and the signature of the data is for that row: data that
is copied from another operator's row is not read.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db
from django.core.exceptions import SuspiciousOperation
from django.utils.crypto import salted_hmac

from integrations.core import clock

_LENGTH = 40  # of the column; 160 bits


class SessionStore(db.SessionStore):
    """The session engine (`SESSION_ENGINE`). `session_key` is the cookie's; `stored_key` is the row's."""

    @property
    def key_salt(self) -> str:
        """The salt of the data's signature."""
        return f"integrations.console.sessions:{stored_key(self.session_key or '')}"

    def exists(self, session_key: str) -> bool:
        """Whether a session has the key of the cookie."""
        return bool(super().exists(stored_key(session_key)))

    def create_model_instance(self, data: Any) -> Any:
        """The row to save."""
        row = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
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
    return salted_hmac("integrations.console.sessions", session_key, algorithm="sha256").hexdigest()[:_LENGTH]
