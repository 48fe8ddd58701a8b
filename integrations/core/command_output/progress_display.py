"""Progress bars of a command that waits for runs. It polls their state until they are done, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from integrations.core import clock
from integrations.core.texts import printable

_PAUSE = 0.5  # seconds between two polls


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """Progress of one piece of work. `total` is None while it is unknown."""

    key: int
    title: str
    done: int
    total: int | None
    is_done: bool


def show_until_done(read: Callable[[], Sequence[WorkProgress]], *, show: bool) -> None:
    """Call `read` twice a second until all work that it lists is done. Progress goes to standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bars:
        tasks: dict[int, TaskID] = {}
        while True:
            found = read()
            for one in found:
                if one.key not in tasks:
                    tasks[one.key] = bars.add_task(escape(printable(one.title)), total=None)
                bars.update(tasks[one.key], completed=one.done, total=one.total)
            if all(one.is_done for one in found):
                return
            clock.sleep(_PAUSE)
