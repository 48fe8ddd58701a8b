"""The way on from the last page of a long list: rows are counted, and pages numbered, only up to 10,000.

The link narrows the list to what comes after its last row, by the column that orders it, which has an index. So every
row can be reached, each page costs the same, and nothing is counted to the end.
"""

from __future__ import annotations

from typing import Any

_PAGE = "p"  # Django's parameters: the page, and an order that the operator chose
_ORDER = "o"


def address(listed: Any) -> str:
    """The query string for the rows after the last page of a change list; empty where the list ends or goes on by
    pages.
    """
    paginator = listed.paginator
    if paginator.count < paginator.MOST or listed.page_num < paginator.num_pages or _ORDER in listed.params:
        return ""
    column = next(iter(listed.model_admin.ordering or ()), "")
    if not column.startswith("-") or not listed.result_list:
        return ""
    name = listed.opts.pk.name if column == "-pk" else column[1:]
    last = getattr(listed.result_list[len(listed.result_list) - 1], name)
    # Rows of one moment are shown again rather than left out.
    lookup, value = (f"{name}__lte", last.isoformat()) if hasattr(last, "isoformat") else (f"{name}__lt", last)
    query: str = listed.get_query_string({lookup: value}, [_PAGE])
    return query
