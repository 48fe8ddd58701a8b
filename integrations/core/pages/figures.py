"""Numbers in words for pages."""

from __future__ import annotations

_MEGABYTE = 2**20


def megabytes(size: int) -> str:
    """Bytes as text: `412 MB`; a dash for 0, which means unknown."""
    return f"{size / _MEGABYTE:,.0f} MB" if size else "–"
