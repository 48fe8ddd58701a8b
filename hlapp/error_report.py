"""Redacted error pages and reports for unhandled exceptions, under DEBUG too.

Django's own reporter shows everything under DEBUG, and `META` of a development server contains the whole environment. A
developer's secrets need protection too, because people share pages and paste them into issues. So these reports, with
and without DEBUG, contain: no local variables of a frame (a debugger shows them); of `META` only what came with the
request; of forms and cookies only the names; and no text that looks like a token or like an address with a password.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from integrations.core.redaction import SETTING_NAMES, has_login, redact_log_value

_OF_THE_REQUEST = re.compile(r"HTTP_.*|(REQUEST|SERVER|REMOTE|CONTENT)_[A-Z]+|PATH_INFO|SCRIPT_NAME")


class RedactingReporterFilter(SafeExceptionReporterFilter):
    """DEFAULT_EXCEPTION_REPORTER_FILTER."""

    hidden_settings = SETTING_NAMES

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Blank a setting if its name or its text looks like a secret."""
        cleansed = super().cleanse_setting(key, value)
        return self.cleanse_text(cleansed) if isinstance(cleansed, str) else cleansed

    def cleanse_text(self, text: str) -> str:
        """`text` without tokens; blanked whole when it holds an address with a login."""
        return self.cleansed_substitute if has_login(text) else str(redact_log_value(text))

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        """`request.META` without the process's environment."""
        found = {} if request is None else super().get_safe_request_meta(request)
        return {name: value for name, value in found.items() if _OF_THE_REQUEST.fullmatch(name)}

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        """Names of the request's cookies, values blanked."""
        return {} if request is None else dict.fromkeys(request.COOKIES, self.cleansed_substitute)

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always filter, under DEBUG too."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Names of the request's form fields, values blanked."""
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: Any, tb_frame: FrameType) -> ItemsView[str, Any]:
        """No local variables: any of them may hold a secret."""
        return {}.items()


class RedactingReporter(ExceptionReporter):
    """DEFAULT_EXCEPTION_REPORTER: also redacts the query string and exception texts, which no filter of Django sees."""

    filter: RedactingReporterFilter

    def get_traceback_data(self) -> dict[str, Any]:
        """Django's data for the error page, with exception texts and query values redacted."""
        data = super().get_traceback_data()
        for name in ("exception_value", "exception_notes", "unicode_hint"):
            if name in data:
                data[name] = self.filter.cleanse_text(data[name])
        for frame in data["frames"]:
            frame["exc_cause"] = frame["exc_cause"] and self.filter.cleanse_text(str(frame["exc_cause"]))
        if self.request is not None:
            query: QueryDict = self.request.GET
            data["request_GET_items"] = [(name, self.filter.cleanse_setting(name, query[name])) for name in query]
            data["request_insecure_uri"] = data["request_insecure_uri"].partition("?")[0]
        return data
