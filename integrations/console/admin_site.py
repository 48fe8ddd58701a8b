"""The site of the operators' pages: unfold's, without inline styles; its search refuses a page that there is not."""

from __future__ import annotations

from typing import Any

from django.core.paginator import EmptyPage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.sites import UnfoldAdminSite

from integrations.core import texts
from integrations.core.errors import BadRequest


class OperatorsSite(UnfoldAdminSite):  # type: ignore[misc]
    """The site that `admin.site` is."""

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """The theme's context without colours: they are in `site/theme.css`, because no page may have inline styles."""
        context: dict[str, Any] = super().each_context(request)
        return context | {"colors": {}}

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The results of the search. Raises BadRequest for a `page` that is no number, or beyond the results."""
        number = request.GET.get("page", "1")
        if texts.whole(number) is None:
            raise BadRequest("the page of results is a number")
        try:
            answer: HttpResponseBase = super().search(request, extra_context)
        except EmptyPage as error:
            raise BadRequest(f"there is no page {number} of results") from error
        return answer
