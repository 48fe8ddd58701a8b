"""Progress display of a command that waits for work: polls the state until it is over and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from integrations.core import clock

_PAUSE = 0.5  # seconds between two polls


@dataclass(frozen=True, slots=True)
class Watched:
    """One piece of work to watch. `total` is None while it is unknown."""

    key: int
    title: str
    done: int
    total: int | None
    is_over: bool


def until_over(look: Callable[[], Sequence[Watched]], *, show: bool) -> None:
    """Poll `look` and return when everything it lists is over. Progress goes to standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bars:
        tasks: dict[int, TaskID] = {}
        while True:
            found = look()
            for one in found:
                if one.key not in tasks:
                    tasks[one.key] = bars.add_task(one.title, total=None)
                bars.update(tasks[one.key], completed=one.done, total=one.total)
            if all(one.is_over for one in found):
                return
            clock.sleep(_PAUSE)
