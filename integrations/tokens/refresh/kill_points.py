"""The steps of a refresh have names, so that a test can kill a real process at each of them.

`HLAPP_KILL_AT=<step>` in the environment of a process ends it with SIGKILL when it gets there. Nothing but the chaos
test and `bench.chaos_refresh` sets it; unset, as everywhere else, `reached` compares a string with None.
"""

from __future__ import annotations

import os
import signal

# In their order. Between `claimed` and `answered` the vendor rotates; between `answered` and `swapped` we commit.
STEPS = ("before", "claimed", "answered", "swapped")

kill_at = os.environ.get("HLAPP_KILL_AT")  # not a setting: no deployment has a use for it


def reached(step: str) -> None:
    if step == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
