"""How the vendor repeats a webhook that was not answered with 2xx. The policy changed in 2026; both are here.

`old`: only a 429 is repeated, 6 times, 10 minutes apart. `new`: every answer but 2xx, and no answer, up to 12 times,
with exponential backoff. Exact intervals are not published; 10 seconds doubling up to 6 hours is a guess.
"""

from __future__ import annotations

import random

from integrations.sandbox.options import RetryPolicy

OLD_RETRIES = 6
OLD_SECONDS = 600.0
NEW_RETRIES = 12
NEW_FIRST_SECONDS = 10.0
NEW_LONGEST_SECONDS = 6 * 3600.0
JITTER = 0.1


def wait_before_retry(policy: RetryPolicy, status: int | None, tries: int) -> float | None:
    """The vendor's seconds until the next try, or None if it gives up.

    `status` is the answer to the last try (None for no answer), `tries` how many there have been.
    """
    if policy == "old":
        if status != 429 or tries > OLD_RETRIES:
            return None
        base = OLD_SECONDS
    else:
        if tries > NEW_RETRIES:
            return None
        base = min(NEW_LONGEST_SECONDS, NEW_FIRST_SECONDS * 2 ** (tries - 1))
    return base * random.uniform(1, 1 + JITTER)  # noqa: S311 - jitter
