"""The one error of the embedded servers: a single line that says what failed and what to do about it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

OWN_SERVERS = "set DATABASE_URL and REDIS_URL to servers of your own"

# The second is PostgreSQL's hint after a write that came out short.
_NO_SPACE = ("No space left on device", "Check free disk space")
_FULL_BELOW_BYTES = 1024 * 1024


class EmbeddedError(Exception):
    """An embedded server cannot run here. The message is one line for people and holds no secret."""


def from_output(name: str, output: str, home: Path) -> EmbeddedError:
    """The last error that a server logged, in one line. A full disk is named as such: it may have cut the log."""
    if any(words in output for words in _NO_SPACE) or shutil.disk_usage(home).free < _FULL_BELOW_BYTES:
        return no_space(home)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "rror" in line or "cannot" in line]
    reason = (fatal or lines or ["its log is empty"])[-1]
    return EmbeddedError(f"{name} did not start: {reason} (log in {home}); or {OWN_SERVERS}")


def unusable(error: OSError, directory: Path) -> EmbeddedError:
    """A failed file operation below `directory`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(directory)
    path = error.filename or directory
    return EmbeddedError(f"cannot use {path}: {error.strerror}; mend or remove it, or {OWN_SERVERS}")


def no_space(directory: Path) -> EmbeddedError:
    """The error of a full disk below `directory`."""
    return EmbeddedError(f"no space left for {directory}: free about 200 MB there, or {OWN_SERVERS}")
