"""Positions of a job's listings, so that its next turn continues where the last one stopped.

A job may read several listings, one after the other. They are numbered in the order of their calls, which is the same
in every turn. Those before the current one are done and yield nothing again. A listing inside the loop of another one
has no position of its own: it belongs to the current item and is read again with it.

The rest of the current page is kept as well. Without it, a job that waits for a permit in the middle of a page would
spend that permit on fetching the page again, and might never get beyond it.

A listing that is left in the middle looks the same whether the job had enough of it or an error ended the loop. So it
keeps its position. That the job was finished with it shows when the job begins the next listing.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from integrations.gateway.client import Page


class ListingKind(Enum):
    """The kind of a listing that begins: read to its end in a former turn, inside another one, or the current one."""

    DONE = auto()
    NESTED = auto()
    CURRENT = auto()


class ListingPositions:
    """The position as the checkpoint has it (`walk`, `operation`, `next`, `done`) and the current page.

    `walk` is the number of listings that are done; stored checkpoints have it under this name.
    """

    def __init__(self, checkpoint: dict[str, Any], kept: dict[str, Any] | None) -> None:
        self.done: int = checkpoint.get("done", 0)
        self.cursor: dict[str, Any] | None = checkpoint.get("next")
        self._number: int = checkpoint.get("walk", 0)
        self._operation: str = checkpoint.get("operation", "")
        self._kept = kept
        self._page: Page | None = None
        self._position = 0
        self._called = 0
        self._open = False
        self._calls = 0

    def enter(self, operation: str) -> ListingKind:
        """Begin a listing."""
        if self._open:
            return ListingKind.NESTED
        self._called += 1
        if self._called <= self._number:
            return ListingKind.DONE
        former_was_left = self._called - 1 > self._number
        if former_was_left or operation != self._operation:  # else: the job was changed meanwhile, or this is the first
            self._number, self._operation = self._called - 1, operation
            self.cursor = self._kept = self._page = None
        self._open = True
        return ListingKind.CURRENT

    def kept_page(self) -> Page | None:
        """The rest of the last turn's page; returned once."""
        kept, self._kept = self._kept, None
        return None if kept is None else Page(kept["items"], kept["total"], kept["next"])

    def take(self, page: Page) -> None:
        """Set the current page."""
        self._page, self._position = page, 0

    def move(self) -> None:
        """The current page is done; with the last page, so is the listing."""
        assert self._page is not None
        self.cursor, self._page = self._page.next, None
        if self.cursor is None:
            self._number, self._operation = self._called, ""

    def leave(self) -> None:
        """The loop over the listing has ended, for any reason."""
        self._open = False

    def holds(self, items: Any) -> bool:
        """Whether these are the items of the current page."""
        return self._page is not None and items is self._page.items

    def begin_unit(self) -> None:
        """Begin an item or event."""
        self._calls = 0

    def end_unit(self, *, of_page: bool) -> None:
        """End an item or event; `of_page` says that it was an item of the current page."""
        self._calls = 0
        self._position += of_page

    def called(self) -> None:
        """Record that a call was answered."""
        self._calls += 1

    @property
    def in_page(self) -> bool:
        """Whether the job works on a page of the current listing, or on an item of it."""
        return self._page is not None

    @property
    def mid_unit(self) -> bool:
        """Whether giving up now would repeat calls that were already made."""
        return self._calls > 0

    def columns(self) -> dict[str, Any]:
        """The columns of the checkpoint."""
        return {"walk": self._number, "operation": self._operation, "next": self.cursor, "done": self.done}

    def rest(self) -> dict[str, Any] | None:
        """The rest of the current page, for the next turn."""
        if self._page is None:
            return self._kept
        return {"items": self._page.items[self._position :], "total": self._page.total, "next": self._page.next}
