"""The named steps of a refresh: tests act at one of them by wrapping the claim and the swap of this process.

Between `claimed` and `answered` the vendor rotates; between `answered` and `swapped` the new pair is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from integrations.tokens.refresh import commit, lease

STEPS = ("before", "claimed", "answered", "swapped")


@contextmanager
def watched(reached: Callable[[str], object]) -> Iterator[None]:
    """Calls `reached` with the name of each step that a refresh gets to inside the block."""
    claim, swap = lease.claim, commit.new_pair

    def watched_claim(*args: Any, **kwargs: Any) -> Any:
        reached("before")
        row = claim(*args, **kwargs)
        if row is not None:
            reached("claimed")
        return row

    def watched_swap(*args: Any, **kwargs: Any) -> Any:
        reached("answered")
        row = swap(*args, **kwargs)
        reached("swapped")
        return row

    with mock.patch.object(lease, "claim", watched_claim), mock.patch.object(commit, "new_pair", watched_swap):
        yield
