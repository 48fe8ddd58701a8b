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


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """Name and password. `retry_after` is set, in whole seconds, when the attempt has to wait."""

    retry_after = 0

    def clean(self) -> dict[str, Any]:
        """Count the attempt, then check the password. Raises ValidationError."""
        username = self.cleaned_data.get("username") or ""
        now = clock.now()
        try:
            attempt = back_off.begin(self.request, username, now)
        except TooManyRequests as refused:
            self.retry_after = math.ceil(refused.retry_after or 1)
            raise ValidationError(_wait(self.retry_after), code="too_many") from None
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            waits = {"next_after": attempt.blocked_until.isoformat()} if attempt.blocked_until else {}
            audited.by_stranger(self.request, "sign_in.failed", username, **waits)
            raise
        back_off.succeeded(attempt)
        return cleaned


def _wait(seconds: int) -> str:
    wait = f"{seconds} seconds" if seconds < 120 else f"{seconds // 60} minutes"
    return f"Too many attempts failed. Try again in {wait}, or ask an owner of this console to unlock the account."
