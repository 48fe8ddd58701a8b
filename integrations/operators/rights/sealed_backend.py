"""Authentication backend of operators: Django's, for accounts whose rights are sealed (`rights_seal`).

It is asked at each sign-in and, for the account of a session, at each request. Permissions are the sealed ones, so the
tables of groups and permissions are not read.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from integrations.operators import audited
from integrations.operators.rights import rights_seal

log = structlog.get_logger(__name__)


class SealedBackend(ModelBackend):
    """See the module."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """The account of this name and password. None without a seal that fits, as for a wrong password."""
        before = rights_seal.accounts().filter(username=username).first()
        if before is not None and (wrong := rights_seal.mismatch(before)):
            log.error("operators.not_sealed", user=before.pk, hint="manage.py operators seal NAME, after a look at it")
            audited.by_system("sign_in.not_sealed", before, actor="system", wrong=wrong)
            User().set_password(password)  # takes as long as a check of the password
            return None
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None and before is not None and user.password != before.password:
            before.password = user.password
            rights_seal.seal_password(before)  # Django has replaced the hash by a stronger one
        return user

    def get_user(self, user_id: Any) -> Any:
        """The account of a session. None, which ends the session, without a seal that fits."""
        user = rights_seal.accounts().filter(pk=user_id).first()
        if user is None or not self.user_can_authenticate(user) or rights_seal.proven(user) is None:
            return None
        return user

    def _get_permissions(self, user_obj: Any, obj: Any, from_name: str) -> set[str]:
        """What the seal proves. Django asks for those of "user" and of "group"; both are in it. Superusers have all."""
        if user_obj.is_anonymous or not user_obj.is_active or obj is not None:
            return set()
        if user_obj.is_superuser:
            found: set[str] = super()._get_permissions(user_obj, obj, from_name)  # type: ignore[misc]
            return found if rights_seal.proven(user_obj) is not None else set()
        return set(rights_seal.proven(user_obj) or ())
