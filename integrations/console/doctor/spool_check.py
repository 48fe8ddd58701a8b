"""`doctor` on the spool: whether this machine could keep a grant, and whether some wait or were set aside."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from integrations.console.doctor.findings import Finding, Level
from integrations.tokens.spool import inspection
from integrations.tokens.spool.backends import DISK
from integrations.tokens.spool.inspection import UNREADABLE
from integrations.tokens.spool.spool import ASIDE, WAITS

_FOUND = {WAITS: "wait", ASIDE: "were set aside", UNREADABLE: "cannot be read"}
_FIXES = {
    WAITS: "they are committed when the database is back; if it is, manage.py spool retry says what holds them",
    ASIDE: "put back the key that sealed them, then manage.py spool retry; or manage.py spool drop NAME",
    UNREADABLE: "give the files to the user who runs web and workers, or take away what is no entry",
}


def spool() -> Iterator[Finding]:
    """Asks no database, and a Redis that is away is another check's."""
    try:
        DISK.prove()
    except OSError as error:
        fix = f"let the user who runs web and workers write to SPOOL_DIR ({settings.SPOOL_DIR})"
        yield Finding("spool", Level.FAILED, f"cannot be written ({type(error).__name__})", fix)
    else:
        yield Finding("spool", Level.OK, "can be written")
    desk = inspection.look()
    for standing, fix in _FIXES.items():
        if count := desk.count(standing):
            found = f"entries that {_FOUND[standing]}: {count} (manage.py spool status)"
            yield Finding("spool", Level.WARNING, found, fix)
