"""Terminal output of `manage.py vault`: the table of keys, and the progress bar of a rotation on standard error."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from integrations.vault.status import VaultStatus

PIPE_WIDTH = 140


def table(status: VaultStatus, stdout: OutputWrapper) -> str:
    """The keys and what each holds in every column, with the next step below."""
    labels = sorted({label for key in status.keys for label in key.columns})
    grid = Table("key", "role", *map(_heading, labels), "values", box=None, pad_edge=False)
    for key in status.keys:
        counts = (str(key.columns.get(label, 0)) for label in labels)
        grid.add_row(key.key_id, key.words, *counts, str(key.total))
    text = io.StringIO()
    Console(file=text, width=None if stdout.isatty() else PIPE_WIDTH, markup=False, highlight=False).print(grid)
    return text.getvalue() + "\n".join(_advice(status))


def _heading(label: str) -> str:
    """Two lines, so that all fit a terminal: "Credential" above "access", "tokens" above "spool"."""
    model, column = label.split(".")[-2:]
    return f"{model}\n{column.removesuffix('_sealed')}"


def _advice(status: VaultStatus) -> Iterator[str]:
    waiting = sum(key.total for key in status.keys if key.role == "opens")
    if status.without_address:
        yield f"{status.without_address} values of an older release lack their address: manage.py vault rotate"
    if waiting:
        yield f"{waiting} values are to be encrypted again: manage.py vault rotate"
    elif status.retirable:
        yield f"may leave VAULT_KEYS on all machines: {', '.join(status.retirable)}"
        yield "(a spool entry that only another machine's disk holds is counted there: ask there too)"
        yield "(backups of before need it as well: keep it where their keys are, as long as you keep them)"


@contextmanager
def bar(total: int, *, doing: str, show: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar; yields the function that moves it. A value met again in a later pass is not counted twice."""
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show) as progress:
        task = progress.add_task("", total=total)
        yield lambda step: progress.advance(task, min(step, total - int(progress.tasks[0].completed)))
