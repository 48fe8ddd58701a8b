"""Where a job is in its listings, so that its next turn goes on there.

A job may walk through several listings, one after the other. They are numbered in the order of their calls, which is
the same in every turn; those before the current one are done and yield nothing again. A listing inside another one's
loop has no place of its own: it belongs to the item in hand and is walked anew with it.

What is left of the page in hand is kept as well. Without it, a job that waits for a permit in the middle of a page
would spend that permit on fetching the page again, and might never get beyond it.

A listing that is left in the middle looks the same whether the job had enough of it or an error went through the loop.
So it keeps its place; that the job was through with it shows when it begins the next one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from integrations.gateway.client import Page


class Entry(Enum):
    """What a listing that begins is: walked to its end in a former turn, inside another one, or the current one."""

    DONE = auto()
    NESTED = auto()
    CURRENT = auto()


class Walks:
    """The place in the checkpoint (`walk`, `operation`, `next`, `done`) and the page in hand."""

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

    def enter(self, operation: str) -> Entry:
        """A listing begins."""
        if self._open:
            return Entry.NESTED
        self._called += 1
        if self._called <= self._number:
            return Entry.DONE
        former_was_left = self._called - 1 > self._number
        if former_was_left or operation != self._operation:  # else: the job was changed meanwhile, or this is the first
            self._number, self._operation = self._called - 1, operation
            self.cursor = self._kept = self._page = None
        self._open = True
        return Entry.CURRENT

    def kept_page(self) -> Page | None:
        """What the last turn left of its page, once."""
        kept, self._kept = self._kept, None
        return None if kept is None else Page(kept["items"], kept["total"], kept["next"])

    def take(self, page: Page) -> None:
        """The page is in hand from now on."""
        self._page, self._position = page, 0

    def move(self) -> None:
        """The page in hand is done; at the last one, so is the listing."""
        assert self._page is not None
        self.cursor, self._page = self._page.next, None
        if self.cursor is None:
            self._number, self._operation = self._called, ""

    def leave(self) -> None:
        """The loop is over, however."""
        self._open = False

    def holds(self, items: Any) -> bool:
        """Whether these are the items of the page in hand."""
        return self._page is not None and items is self._page.items

    def begin_unit(self) -> None:
        """An item or event is in hand."""
        self._calls = 0

    def end_unit(self, *, of_page: bool) -> None:
        self._calls = 0
        self._position += of_page

    def called(self) -> None:
        """A call was answered."""
        self._calls += 1

    @property
    def mid_unit(self) -> bool:
        """Whether giving up now would mean to repeat calls that were made already."""
        return self._calls > 0

    def place(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"walk": self._number, "operation": self._operation, "next": self.cursor, "done": self.done}

    def rest(self) -> dict[str, Any] | None:
        """What is left of the page in hand, as the next turn takes it."""
        if self._page is None:
            return self._kept
        return {"items": self._page.items[self._position :], "total": self._page.total, "next": self._page.next}
