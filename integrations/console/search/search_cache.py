"""Django's cache: the memory of the process, without the results of the admin's search.

unfold keeps these for five minutes under the operator and the text in lower case. They hold personal data, which the
operator may not be allowed to see by then, or which was purged; and ids differ in upper and lower case.
"""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.locmem import LocMemCache

_SEARCHES = "unfold_search_"


class ProcessCache(LocMemCache):
    """The backend of CACHES["default"]."""

    def set(self, key: str, value: Any, *args: Any, **kwargs: Any) -> None:
        """Keep a value, unless it is the result of a search."""
        if not key.startswith(_SEARCHES):
            super().set(key, value, *args, **kwargs)
