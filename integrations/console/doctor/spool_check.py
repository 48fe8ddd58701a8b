"""The `doctor` check of the spool: can this machine write to it, and do entries wait or need an operator?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from integrations.console.doctor.findings import Finding, Level
from integrations.tokens.spool import inspection
from integrations.tokens.spool.backends import DISK
from integrations.tokens.spool.inspection import UNREADABLE
from integrations.tokens.spool.spool import ASIDE, WAITS

FULL, FILLING = 0.02, 0.1  # shares of the disk that are free
_FOUND = {WAITS: "wait", ASIDE: "were set aside", UNREADABLE: "cannot be read"}
_FIXES = {
    WAITS: "they are committed when the database is back; if it is, manage.py spool retry says why they wait",
    ASIDE: "put back the key that sealed them, then manage.py spool retry; or manage.py spool drop NAME",
    UNREADABLE: "give the files to the user who runs web and workers, or remove files that are no entries",
}


def spool_disk() -> Iterator[Finding]:
    """How much of the disk with the spool is free: a grant that cannot be written there may be lost."""
    name = "disk of the spool"
    try:
        usage = shutil.disk_usage(_existing(Path(settings.SPOOL_DIR)))
    except OSError as error:
        yield Finding(name, Level.UNKNOWN, f"not known ({type(error).__name__})", "see the finding of the spool")
        return
    share = usage.free / usage.total
    found = f"{share:.0%} free, {usage.free / 2**30:,.1f} GiB"
    level = Level.FAILED if share < FULL else Level.WARNING if share < FILLING else Level.OK
    yield Finding(name, level, found, "" if level is Level.OK else f"free space on the disk of {settings.SPOOL_DIR}")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it: the first entry makes it."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def spool() -> Iterator[Finding]:
    """Needs no database. It ignores an unreachable Redis, which another check reports."""
    try:
        DISK.prove()
    except OSError as error:
        fix = f"let the user who runs web and workers write to SPOOL_DIR ({settings.SPOOL_DIR})"
        yield Finding("spool", Level.FAILED, f"cannot be written ({type(error).__name__})", fix)
    else:
        yield Finding("spool", Level.OK, "can be written")
    inspected = inspection.look()
    for state, fix in _FIXES.items():
        if count := inspected.count(state):
            found = f"entries that {_FOUND[state]}: {count} (manage.py spool status)"
            yield Finding("spool", Level.WARNING, found, fix)
