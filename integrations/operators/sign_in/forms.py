"""The sign-in form: counts each attempt (`back_off`) before it looks at the password, and records failures."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from integrations.core import clock
from integrations.core.errors import TooManyRequests
from integrations.operators import audited
from integrations.operators.sign_in import back_off
from integrations.quota.thread_budgets import PASSWORDS

_FAILED = "Too many attempts failed. Try again in {wait}, or ask an owner of this console to unlock the account."
_BUSY = "Many people sign in at this moment. Try again in {wait}."


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """Name and password. `retry_after` is set, in whole seconds, when the attempt has to wait."""

    retry_after = 0

    def clean(self) -> dict[str, Any]:
        """Count the attempt, then check the password. Raises ValidationError.

        While other passwords are checked in this process nothing is counted.
        """
        username = self.cleaned_data.get("username") or ""
        try:
            with PASSWORDS.one(is_known=back_off.is_known(self.request, username)):
                return self._checked(username)
        except TooManyRequests as busy:
            raise self._later(busy, _BUSY) from None

    def _checked(self, username: str) -> dict[str, Any]:
        try:
            attempt = back_off.begin(self.request, username, clock.now())
        except TooManyRequests as refused:
            raise self._later(refused, _FAILED) from None
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            waits = {"next_after": attempt.blocked_until.isoformat()} if attempt.blocked_until else {}
            audited.by_stranger(self.request, "sign_in.failed", username, **waits)
            raise
        back_off.succeeded(attempt)
        return cleaned

    def _later(self, refused: TooManyRequests, text: str) -> ValidationError:
        self.retry_after = seconds = math.ceil(refused.retry_after or 1)
        wait = f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"
        return ValidationError(text.format(wait=wait), code="too_many")
