"""File and line where an exception was raised, or where a thread is now: without data that the text might hold."""

from __future__ import annotations

import sys
import traceback

_PACKAGES, _STANDARD_LIBRARY = "/site-packages/", "/lib/python"


def of_error(error: BaseException) -> str:
    """Where the exception was raised, such as "in tag, line 12 of jobs.py"; the innermost frame of own code."""
    return _shown(traceback.extract_tb(error.__traceback__))


def of_thread(ident: int) -> str:
    """Where a thread of this process is now; empty when it has ended."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - Python's documented name
    return "" if frame is None else _shown(traceback.extract_stack(frame))


def _shown(frames: traceback.StackSummary) -> str:
    if not frames:
        return ""
    own = (frame for frame in reversed(frames) if _PACKAGES not in frame.filename)
    last = next((frame for frame in own if _STANDARD_LIBRARY not in frame.filename), frames[-1])
    return f"in {last.name}, line {last.lineno} of {last.filename.rpartition('/')[2]}"
